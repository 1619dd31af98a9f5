"""Fills asterisk-conf with what the container's environment says (PBX_…), then becomes Asterisk."""

import os
import sys
from dataclasses import fields
from pathlib import Path

from dialplan.render import PHONES, AsteriskValues, RenderError, render_asterisk_conf


def values_from_environment() -> AsteriskValues:
    """Each field of AsteriskValues is PBX_ and its name in capitals; what is not set keeps its default."""
    given: dict[str, object] = {
        "phone_secrets": {number: os.environ[f"PBX_PHONE_{number}_SECRET"] for number in PHONES}
    }
    for item in fields(AsteriskValues):
        text = os.environ.get(f"PBX_{item.name.upper()}", "")
        if text:
            given[item.name] = int(text) if item.type is int else text
    return AsteriskValues(**given)  # type: ignore[arg-type]


def main() -> None:
    """Render and start."""
    try:
        render_asterisk_conf(Path("/etc/asterisk"), values_from_environment())
    except (RenderError, KeyError, ValueError) as error:
        sys.exit(f"The container's environment is wrong: {error}")
    os.execvp("asterisk", ["asterisk", "-f", "-C", "/etc/asterisk/asterisk.conf"])  # noqa: S606 - it becomes Asterisk


if __name__ == "__main__":
    main()
