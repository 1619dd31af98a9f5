"""Fills the Asterisk side with what depends on the installation, and lets nothing unsafe into its configuration.

Asterisk's files have no quoting: a line break or a `;` in a secret would become configuration. So each value has a
pattern, and what does not match is refused before a file is written.
"""

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "asterisk-conf"
PHONES = ("101", "102", "103")

_PLACEHOLDER = re.compile(r"@([A-Z][A-Z0-9_]*)@")
_SECRET = re.compile(r"[A-Za-z0-9_.\-]{8,100}")
_NUMBER = re.compile(r"(\+?[0-9]{3,15})?")
_PLAN = re.compile(r"L1\|[^\"\\;@${}\x00-\x1f\x7f]{0,2000}")


class RenderError(ValueError):
    """A value is not safe in Asterisk's configuration; the text names it and says how to mend it."""


@dataclass(frozen=True, slots=True)
class AsteriskValues:
    """What an installation fills into asterisk-conf: addresses, ports, secrets, and who rings without Leadline.

    `ami_permit` is the network that may log in to AMI. Without `ami_control_secret` the control account does not
    exist. `phone_secrets` are by extension; `company_number` is what outgoing calls show, empty for the provider's
    choice. `trunk_address` is where the trunk's calls come from and, with `trunk_port`, where outgoing ones go.
    """

    ami_events_secret: str
    phone_secrets: dict[str, str]
    ami_control_secret: str | None = None
    sip_address: str = "127.0.0.1"
    sip_port: int = 5060
    rtp_start: int = 10000
    rtp_end: int = 10999
    trunk_address: str = "127.0.0.1"
    trunk_port: int = 5080
    ami_address: str = "127.0.0.1"
    ami_port: int = 5038
    ami_permit: str = "127.0.0.1/32"
    fastagi_address: str = "127.0.0.1"
    fastagi_port: int = 4573
    company_number: str = ""
    fallback_plan: str = "L1||P,30,0PJSIP/101!0PJSIP/102!0PJSIP/103,,"


def render_asterisk_conf(target_dir: Path, values: AsteriskValues) -> None:
    """Write the complete configuration into `target_dir`, which must exist; other files there stay.

    The files hold secrets: others than the owner and his group cannot read them.

    Raises:
        RenderError: a value is unsafe.
    """
    texts = _texts(values)
    rendered = {
        source.name: _PLACEHOLDER.sub(lambda match: texts[match[1]], source.read_text(encoding="utf-8"))
        for source in sorted(SOURCE.glob("*.conf"))
    }
    for name, text in rendered.items():
        target = target_dir / name
        target.touch(mode=0o640)
        target.write_text(text, encoding="utf-8")


def _texts(values: AsteriskValues) -> dict[str, str]:
    """Give each placeholder its text, checked."""
    texts = {
        "SIP_ADDRESS": _address("sip_address", values.sip_address),
        "SIP_PORT": _port("sip_port", values.sip_port),
        "RTP_START": _port("rtp_start", values.rtp_start),
        "RTP_END": _port("rtp_end", values.rtp_end),
        "TRUNK_ADDRESS": _address("trunk_address", values.trunk_address),
        "TRUNK_PORT": _port("trunk_port", values.trunk_port),
        "AMI_ADDRESS": _address("ami_address", values.ami_address),
        "AMI_PORT": _port("ami_port", values.ami_port),
        "AMI_PERMIT": _network("ami_permit", values.ami_permit),
        "AMI_EVENTS_SECRET": _secret("ami_events_secret", values.ami_events_secret),
        "FASTAGI_ADDRESS": _address("fastagi_address", values.fastagi_address),
        "FASTAGI_PORT": _port("fastagi_port", values.fastagi_port),
        "COMPANY_NUMBER": _matching(
            "company_number", values.company_number, _NUMBER, "be 3 to 15 digits, with or without +"
        ),
        "FALLBACK_PLAN": _matching(
            "fallback_plan", values.fallback_plan, _PLAN, "come from dialplan.plan.encode_plan, without names"
        ),
        "AMI_CONTROL_SECRET": "",
        "CONTROL": ";",
    }
    if values.ami_control_secret is not None:
        texts |= {"AMI_CONTROL_SECRET": _secret("ami_control_secret", values.ami_control_secret), "CONTROL": ""}
    for number in PHONES:
        name = f"phone_secrets[{number}]"
        texts[f"PHONE_{number}_SECRET"] = _secret(name, values.phone_secrets.get(number, ""))
    if values.rtp_start >= values.rtp_end:
        raise RenderError(f"rtp_start {values.rtp_start} must be less than rtp_end {values.rtp_end}")
    return texts


def _matching(name: str, value: str, pattern: re.Pattern[str], rule: str, *, secret: bool = False) -> str:
    if not pattern.fullmatch(value):
        shown = "the value" if secret else repr(value)
        raise RenderError(f"{name}: {shown} must {rule}")
    return value


def _secret(name: str, value: str) -> str:
    return _matching(
        name, value, _SECRET, "be 8 to 100 letters, digits, dots, dashes or underscores: choose another", secret=True
    )


def _port(name: str, value: int) -> str:
    if not 1 <= value <= 65535:
        raise RenderError(f"{name}: {value} must be a port from 1 to 65535")
    return str(value)


def _address(name: str, value: str) -> str:
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        raise RenderError(f"{name}: {value!r} must be an IP address such as 127.0.0.1") from None
    return f"[{address}]" if address.version == 6 else str(address)


def _network(name: str, value: str) -> str:
    try:
        network = ipaddress.ip_network(value)
    except ValueError:
        raise RenderError(f"{name}: {value!r} must be a network such as 127.0.0.1/32") from None
    return f"{network.network_address}/{network.netmask}" if network.version == 4 else str(network)
