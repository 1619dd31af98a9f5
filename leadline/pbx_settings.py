"""What one Asterisk is to us, checked; see leadline.settings for where values come from."""

import ipaddress
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "LEADLINE_"
NAME = re.compile(r"[A-Za-z0-9_.\-]{1,64}")

_ENDPOINT_GLOB = re.compile(r"^[A-Za-z0-9_./*?@\-\[\]]{1,120}$")

_CEL_SOURCE = re.compile(r"(cdr\+)?((csv|sqlite):/[^/\0\r\n].*|(postgresql\+asyncpg|mysql\+aiomysql)://\S+/\w\S*)")

Port = Annotated[int, Field(ge=1, le=65535)]


def parts_of(value: object) -> object:
    """The parts of a text, separated by commas; what is no text stays for pydantic to refuse."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def address(value: str) -> str:
    """The address or name of a machine.

    Raises:
        ValueError: it can be none.
    """
    if not value or not value.isprintable() or " " in value:
        raise ValueError("must be an address such as 127.0.0.1, or a name; 0.0.0.0 is every address of this machine")
    return value


def file_path(value: object) -> object:
    """A file or folder; an empty text is none, and not the folder in which the server happens to be started.

    Raises:
        ValueError: it can be none.
    """
    if isinstance(value, str) and not value.isprintable():
        raise ValueError("must be a path, without line breaks and control characters")
    return value or None


class PbxSettings(BaseSettings):
    """What one Asterisk is to us; where there are several, each may have these of its own."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file_encoding="utf-8", extra="forbid", dotenv_filtering="only_existing"
    )

    pbx_name: str = Field("asterisk", description="A name for the Asterisk server; calls are known by it and linkedid.")
    ami_enabled: bool = Field(True, description="Whether to listen to Asterisk's manager interface.")
    ami_host: str = Field("127.0.0.1", description="Where Asterisk's manager interface listens.")
    ami_port: Port = Field(5038, description="Its port; 5039 is usual with TLS.")
    ami_username: str = Field("leadline-events", description="The account that may only listen.")
    ami_secret: SecretStr = Field(SecretStr(""), description="Its secret.")
    ami_tls: bool = Field(False, description="Whether to speak TLS to the manager interface.")
    ami_tls_ca: Path | None = Field(None, description="The CA certificate file that Asterisk's certificate must fit.")
    ami_silence_seconds: float = Field(
        15.0, ge=2, le=600, description="Seconds without an event or a pong after which a connection counts as dead."
    )
    ami_control_username: str = Field(
        "leadline-control",
        description="The optional account for actions: Asterisk's own copy of the routes, buttons on the screen.",
    )
    ami_control_secret: SecretStr = Field(
        SecretStr(""), description="Its secret; empty: not used. It is worth a shell on the PBX: loopback only."
    )

    fastagi_allow: Annotated[tuple[str, ...], NoDecode] = Field(
        ("127.0.0.0/8", "::1/128"), description="Networks from which Asterisk may ask, separated by commas."
    )
    trunks: Annotated[tuple[str, ...], NoDecode] = Field(
        ("PJSIP/trunk*",), description="Channels that are trunks, as patterns, separated by commas."
    )

    cel_source: SecretStr = Field(
        SecretStr(""),
        description="Where Asterisk keeps its call records, from which missed calls are completed: csv:/path, "
        "sqlite:/path, postgresql+asyncpg://USER:PASSWORD@HOST/DATABASE or mysql+aiomysql://… (then ?table=NAME where "
        "it is not cel); with cdr+ before it: CDR instead of CEL. Empty: not used.",
    )
    recordings_folder: Path | None = Field(
        None,
        description="The folder of this Asterisk's recordings as this machine sees it, to read and to delete in; see "
        "LEADLINE_RECORDINGS in asterisk-conf/leadline-globals.conf.",
    )

    @field_validator("ami_host")
    @classmethod
    def _ami_address(cls, value: str) -> str:
        return address(value)

    @field_validator("ami_tls_ca", "recordings_folder", mode="before")
    @classmethod
    def _own_paths(cls, value: object) -> object:
        return file_path(value)

    @field_validator("fastagi_allow", "trunks", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return parts_of(value)

    @field_validator("pbx_name", "ami_username", "ami_control_username")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        if not NAME.fullmatch(value):
            raise ValueError("may hold only letters, digits, dot, dash and underscore")
        return value

    @field_validator("cel_source")
    @classmethod
    def _known_source(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and not _CEL_SOURCE.fullmatch(value.get_secret_value()):
            raise ValueError(
                "must be csv:/path, sqlite:/path, postgresql+asyncpg://user:password@host/database or "
                "mysql+aiomysql://user:password@host/database, each with cdr+ before it for CDR"
            )
        return value

    @field_validator("ami_secret", "ami_control_secret")
    @classmethod
    def _one_line(cls, value: SecretStr) -> SecretStr:
        if any(ord(c) < 32 for c in value.get_secret_value()):
            raise ValueError("may not hold line breaks or control characters")
        return value

    @field_validator("fastagi_allow")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("must name one network at least, such as 127.0.0.0/8")
        for part in value:
            ipaddress.ip_network(part)
        return value

    @field_validator("trunks")
    @classmethod
    def _globs(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("must name one trunk at least, such as PJSIP/trunk*")
        for part in value:
            if not _ENDPOINT_GLOB.match(part):
                raise ValueError(f"{part!r} is no channel pattern such as PJSIP/trunk*")
        return value

    @property
    def ami_silence(self) -> timedelta:
        """How long AMI may say nothing, not even to a ping, before the connection counts as dead."""
        return timedelta(seconds=self.ami_silence_seconds)
