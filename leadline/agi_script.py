"""`leadline agi`: the one-shot script of this installation; loads next to nothing while the server answers."""

import os
import re
from functools import partial
from typing import BinaryIO

from agi.oneshot import DecideAlone, run_oneshot
from agi.relay import Address
from dialplan.words import ROUTE_PATH

_DEFAULTS = {"FASTAGI_HOST": "127.0.0.1", "FASTAGI_PORT": "4573", "PBX_NAME": ""}
_SETTING = re.compile(
    r"""(?im)^[ \t]*(?:export[ \t]+)?LEADLINE_(FASTAGI_HOST|FASTAGI_PORT|PBX_NAME)[ \t]*=[ \t]*["']?([^\s"'#]*)"""
)
_MOST_BYTES = 1_000_000


def answer_call(stdin: BinaryIO, stdout: BinaryIO) -> int:
    """Answer the call that Asterisk describes on `stdin`; give the exit status."""
    return run_oneshot(find_server(), _load_decider, stdin, stdout)


def find_server() -> Address | None:
    """Where this installation's FastAGI listens, by the environment and the settings file; None where neither is plain.

    Only these three settings are read, and not by leadline.settings: what checks all of them takes far longer to load
    than the server to answer. Where they are wrong, nobody answers, and the settings are then read and checked in full.
    """
    values = dict(_DEFAULTS)
    if path := os.environ.get("LEADLINE_ENV_FILE"):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                values.update((name.upper(), value) for name, value in _SETTING.findall(file.read(_MOST_BYTES)))
        except OSError:
            return None
    values.update((name, text) for name in _DEFAULTS if (text := os.environ.get(f"LEADLINE_{name}")))
    host, port, pbx = values["FASTAGI_HOST"], values["FASTAGI_PORT"], values["PBX_NAME"]
    if not host or not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 65536 or not pbx.isprintable():
        return None
    return Address(host, int(port), f"{ROUTE_PATH}/{pbx}" if pbx else ROUTE_PATH)


def _load_decider() -> DecideAlone:
    from leadline.dry_run import decide_alone
    from leadline.logs import configure_logs
    from leadline.settings import load_settings

    settings = load_settings()
    configure_logs(settings.log_format, settings.log_level)
    return partial(decide_alone, settings)
