"""All settings, from the environment (`LEADLINE_…`) and a file, checked once at the start.

A wrong setting is refused with its name and the reason before anything listens, so that nothing half works.
"""

import ipaddress
import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

import phonenumbers
from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

ENV_FILE_VARIABLE = "LEADLINE_ENV_FILE"
_ENDPOINT_GLOB = re.compile(r"^[A-Za-z0-9_./*?@\-\[\]]{1,120}$")
_NAME = re.compile(r"^[A-Za-z0-9_.\-]{1,64}$")

Port = Annotated[int, Field(ge=1, le=65535)]


class SettingsError(Exception):
    """One or more settings are wrong; the text names each and says how to mend it."""


def _parts_of(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _address(value: str) -> str:
    if not value or not value.isprintable() or " " in value:
        raise ValueError("must be an address such as 127.0.0.1, or a name; 0.0.0.0 is every address of this machine")
    return value


class PbxSettings(BaseModel):
    """What one Asterisk is to us; each Asterisk has these of its own."""

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
        "leadline-control", description="The optional account that keeps Asterisk's own copy of the routes."
    )
    ami_control_secret: SecretStr = Field(
        SecretStr(""), description="Its secret; empty: not used. It is worth a shell on the PBX: loopback only."
    )

    trunks: Annotated[tuple[str, ...], NoDecode] = Field(
        ("PJSIP/trunk*",), description="Channels that are trunks, as patterns, separated by commas."
    )

    asterisk_cel_file: Path | None = Field(
        None, description="Asterisk's CEL file (cel_custom), if it is on this machine: `check` looks whether it grows."
    )

    @field_validator("ami_host")
    @classmethod
    def _ami_address(cls, value: str) -> str:
        return _address(value)

    @field_validator("trunks", mode="before")
    @classmethod
    def _split_trunks(cls, value: object) -> object:
        return _parts_of(value)

    @field_validator("pbx_name", "ami_username", "ami_control_username")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        if not _NAME.match(value):
            raise ValueError("may hold only letters, digits, dot, dash and underscore")
        return value

    @field_validator("ami_secret", "ami_control_secret")
    @classmethod
    def _one_line(cls, value: SecretStr) -> SecretStr:
        if any(ord(c) < 32 for c in value.get_secret_value()):
            raise ValueError("may not hold line breaks or control characters")
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


class Settings(PbxSettings, BaseSettings):
    """What an installation can choose; every default is safe on one machine without a network."""

    model_config = SettingsConfigDict(env_prefix="LEADLINE_", env_file_encoding="utf-8", extra="forbid")

    database_url: str = Field(
        "sqlite+aiosqlite:///var/leadline.db",
        description="The database: sqlite+aiosqlite:///FILE (four slashes for an absolute path) or "
        "postgresql+asyncpg://USER:PASSWORD@HOST/DATABASE.",
    )

    fastagi_host: str = Field("127.0.0.1", description="Where FastAGI listens.")
    fastagi_port: Port = Field(4573, description="Its port.")
    fastagi_allow: Annotated[tuple[str, ...], NoDecode] = Field(
        ("127.0.0.0/8", "::1/128"), description="Networks whose Asterisk may ask, separated by commas."
    )
    fastagi_max_sessions: int = Field(2000, ge=10, le=20000, description="Questions at once; more are closed unread.")

    panel_host: str = Field("127.0.0.1", description="Where the panel listens.")
    panel_port: Port = Field(8088, description="Its port.")
    panel_tls_certificate: Path | None = Field(None, description="The panel's TLS certificate file (PEM, with chain).")
    panel_tls_key: Path | None = Field(None, description="The key that belongs to it.")
    panel_behind_tls_proxy: bool = Field(
        False, description="Whether a proxy of yours speaks TLS for the panel and sets X-Forwarded-For."
    )

    region: str = Field("UA", description="The country whose national numbers yours are, ISO 3166 alpha-2.")
    name_language: Literal["uk", "ru", "other"] = Field(
        "uk", description="How Cyrillic names are read where neither the card nor the letters tell."
    )
    time_zone: str = Field("Europe/Kyiv", description="The company's time zone.")
    default_extension: str | None = Field(
        None, description="The phone that rings when the dialled number names nobody, as in 101."
    )

    log_format: Literal["console", "json"] = Field("console", description="Log lines for people or for a log store.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least severe line that is written."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file, as an operator expects who overrides one value for one run."""
        return init_settings, env_settings, dotenv_settings

    @field_validator("fastagi_allow", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return _parts_of(value)

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        if not value.startswith(("sqlite+aiosqlite:///", "postgresql+asyncpg://")):
            raise ValueError(
                "must begin with sqlite+aiosqlite:/// (a file) or postgresql+asyncpg:// (user:password@host/database)"
            )
        try:
            named = make_url(value).database
        except (ArgumentError, ValueError):
            raise ValueError(
                "cannot be read; write special characters of the password as %40 for @, and so on"
            ) from None
        if not named:
            raise ValueError("names no file or database after the last slash")
        return value

    @field_validator("fastagi_host", "panel_host")
    @classmethod
    def _own_hosts(cls, value: str) -> str:
        return _address(value)

    @field_validator("region")
    @classmethod
    def _known_region(cls, value: str) -> str:
        if value.upper() not in phonenumbers.SUPPORTED_REGIONS:
            raise ValueError("must be a two-letter country code such as UA")
        return value.upper()

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError("must be a zone of the tz database such as Europe/Kyiv")
        return value

    @field_validator("fastagi_allow")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("must name one network at least, such as 127.0.0.0/8")
        for part in value:
            ipaddress.ip_network(part)
        return value

    @field_validator("default_extension")
    @classmethod
    def _short(cls, value: str | None) -> str | None:
        if value and not re.fullmatch(r"\d{2,8}", value):
            raise ValueError("must be a phone's short number such as 101")
        return value or None

    @model_validator(mode="after")
    def _tls_pair(self) -> "Settings":
        if (self.panel_tls_certificate is None) != (self.panel_tls_key is None):
            raise ValueError("LEADLINE_PANEL_TLS_CERTIFICATE and LEADLINE_PANEL_TLS_KEY go together: set both or none")
        return self

    @property
    def pbxes(self) -> tuple[PbxSettings, ...]:
        """The settings of each Asterisk."""
        return (self,)

    @property
    def panel_is_secure(self) -> bool:
        """Whether browsers reach the panel over TLS, so that its cookie may be marked Secure."""
        return self.panel_tls_certificate is not None or self.panel_behind_tls_proxy

    @property
    def zone(self) -> ZoneInfo:
        """The company's time zone."""
        return ZoneInfo(self.time_zone)


def load_settings(env_file: Path | None = None) -> Settings:
    """Read the settings; the file is `env_file`, else the one LEADLINE_ENV_FILE names, else none.

    Raises:
        SettingsError: a value is wrong or unknown; the text names the variable and the reason.
    """
    path = env_file or (Path(os.environ[ENV_FILE_VARIABLE]) if os.environ.get(ENV_FILE_VARIABLE) else None)
    if path is not None and not path.is_file():
        raise SettingsError(f"{path}: no such settings file; correct {ENV_FILE_VARIABLE} or unset it")
    known = {f"LEADLINE_{name.upper()}" for name in Settings.model_fields} | {ENV_FILE_VARIABLE}
    strange = sorted(name for name in os.environ if name.startswith("LEADLINE_") and name not in known)
    if strange:
        raise SettingsError(f"unknown setting in the environment: {', '.join(strange)}; correct the name or unset it")
    try:
        return Settings(_env_file=path)  # type: ignore[call-arg]
    except ValidationError as error:
        lines = [_explain(str(item["loc"][0]) if item["loc"] else "", item["msg"]) for item in error.errors()]
        raise SettingsError("\n".join(lines)) from None


def _explain(field: str, message: str) -> str:
    message = message.removeprefix("Value error, ")
    if message == "Extra inputs are not permitted":
        message = "is no setting of Leadline; correct the name or remove it"
    name = field.upper() if field.upper().startswith("LEADLINE_") else f"LEADLINE_{field.upper()}"
    return f"{name}: {message}" if field else message


def describe_settings() -> list[tuple[str, str, str]]:
    """Name, default and meaning of each setting, for the documentation."""
    rows = []
    for field, info in Settings.model_fields.items():
        default = info.default
        if isinstance(default, SecretStr):
            default = default.get_secret_value()
        elif isinstance(default, tuple):
            default = ",".join(default)
        elif isinstance(default, bool):
            default = str(default).lower()
        rows.append((f"LEADLINE_{field.upper()}", "" if default is None else str(default), info.description or ""))
    return rows
