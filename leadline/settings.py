"""All settings, from the environment (`LEADLINE_…`) and a file, checked once at the start.

A wrong setting is refused with its name and the reason before anything listens, so that nothing half works.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

import phonenumbers
from pydantic import Field, PrivateAttr, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, DotEnvSettingsSource, NoDecode, PydanticBaseSettingsSource
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from leadline.pbx_settings import NAME, PREFIX, PbxSettings, Port, address, file_path, parts_of

ENV_FILE_VARIABLE = "LEADLINE_ENV_FILE"


class SettingsError(Exception):
    """One or more settings are wrong; the text names each and says how to mend it."""


class _OwnSettings(PbxSettings):
    """One of several Asterisks: what is set for it by its name, else what is set for all."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is set by its name comes first; what is set for all is passed in."""
        return env_settings, dotenv_settings, init_settings


class Settings(PbxSettings):
    """What an installation can choose; every default is safe on one machine without a network."""

    pbx_names: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Several Asterisk servers: a name for each, separated by commas, as in kyiv,lviv. "
        "LEADLINE_PBX_LVIV_AMI_HOST then sets for one what LEADLINE_AMI_HOST sets for all.",
    )

    database_url: str = Field(
        "sqlite+aiosqlite:///var/leadline.db",
        description="The database: sqlite+aiosqlite:///FILE (four slashes for an absolute path) or "
        "postgresql+asyncpg://USER:PASSWORD@HOST/DATABASE.",
    )

    fastagi_host: str = Field("127.0.0.1", description="Where FastAGI listens.")
    fastagi_port: Port = Field(4573, description="Its port.")
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

    copy_minutes: float = Field(
        10.0, ge=0.1, le=1440, description="How often Asterisk's own copy of the routes and names is compared whole."
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

    _pbxes: tuple[PbxSettings, ...] = PrivateAttr(())

    @field_validator("pbx_names", mode="before")
    @classmethod
    def _split_names(cls, value: object) -> object:
        return parts_of(value)

    @field_validator("pbx_names")
    @classmethod
    def _names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not NAME.fullmatch(name):
                raise ValueError(f"{name!r} may hold only letters, digits, dot, dash and underscore")
        if len({_in_a_variable(name) for name in value}) < len(value):
            raise ValueError("two of the names are alike: case, dot, dash and underscore do not tell names apart")
        return value

    @model_validator(mode="after")
    def _one_of_the_names(self) -> "Settings":
        if self.pbx_names and "pbx_name" in self.model_fields_set and self.pbx_name not in self.pbx_names:
            raise ValueError("LEADLINE_PBX_NAME must be one of LEADLINE_PBX_NAMES, or not be set")
        return self

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
        return address(value)

    @field_validator("panel_tls_certificate", "panel_tls_key", mode="before")
    @classmethod
    def _paths(cls, value: object) -> object:
        return file_path(value)

    @field_validator("region")
    @classmethod
    def _known_region(cls, value: str) -> str:
        return known_region(value)

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError("must be a zone of the tz database such as Europe/Kyiv")
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
        """The settings of each Asterisk, one at least."""
        return self._pbxes or (self,)

    def with_pbxes(self, pbxes: tuple[PbxSettings, ...]) -> "Settings":
        """The same for several Asterisks; what these settings themselves say of one is the first one's name only."""
        self._pbxes = pbxes
        if "pbx_name" not in self.model_fields_set:
            self.pbx_name = pbxes[0].pbx_name
        return self

    @property
    def panel_is_secure(self) -> bool:
        """Whether browsers reach the panel over TLS, so that its cookie may be marked Secure."""
        return self.panel_tls_certificate is not None or self.panel_behind_tls_proxy

    @property
    def zone(self) -> ZoneInfo:
        """The company's time zone."""
        return ZoneInfo(self.time_zone)


def known_region(value: str) -> str:
    """The country's code in capitals.

    Raises:
        ValueError: it is none.
    """
    if value.upper() not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError("must be a two-letter country code such as UA")
    return value.upper()


def load_settings(env_file: Path | None = None) -> Settings:
    """Read the settings; the file is `env_file`, else the one LEADLINE_ENV_FILE names, else none.

    Raises:
        SettingsError: a value is wrong or unknown; the text names the variable and the reason.
    """
    path = env_file or (Path(os.environ[ENV_FILE_VARIABLE]) if os.environ.get(ENV_FILE_VARIABLE) else None)
    if path is not None and not path.is_file():
        raise SettingsError(f"{path}: no such settings file; correct {ENV_FILE_VARIABLE} or unset it")
    try:
        given = _given(path)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: the settings file cannot be read: {error}") from None
    names = _names_in(given)
    _refuse_unknown(given, names)
    wrong: list[str] = []
    settings: Settings | None = None
    for_all: dict[str, Any] = {}
    try:
        settings = Settings(_env_file=path)  # type: ignore[call-arg]
        for_all = {field: getattr(settings, field) for field in PbxSettings.model_fields if field != "pbx_name"}
    except ValidationError as error:
        wrong += _explain(error, PREFIX)
    pbxes = []
    for name in names:
        try:
            own = _OwnSettings(**for_all, pbx_name=name, _env_file=path, _env_prefix=_own_prefix(name))  # type: ignore[call-arg]
            pbxes.append(own)
        except ValidationError as error:
            wrong += _explain(error, _own_prefix(name))
    if settings is None or wrong:
        raise SettingsError("\n".join(wrong))
    _refuse_the_same(pbxes)
    return settings.with_pbxes(tuple(pbxes)) if pbxes else settings


def _given(path: Path | None) -> dict[str, str]:
    """What is set, by name, in the file (all of it) and in the environment (what begins as ours), which wins."""
    of_file = DotEnvSettingsSource(Settings, env_file=path).env_vars if path else {}
    of_environment = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
    return {name.upper(): value or "" for name, value in (*of_file.items(), *of_environment.items())}


def _names_in(given: Mapping[str, str]) -> tuple[str, ...]:
    """The Asterisks' names, as far as they are any; Settings complains of others."""
    names = parts_of(given.get(f"{PREFIX}PBX_NAMES", ""))
    return tuple(name for name in names if NAME.fullmatch(name)) if isinstance(names, tuple) else ()


def _own_prefix(name: str) -> str:
    return f"{PREFIX}PBX_{_in_a_variable(name)}_"


def _in_a_variable(name: str) -> str:
    return re.sub(r"[.\-]", "_", name).upper()


def _refuse_unknown(given: Mapping[str, str], names: Sequence[str]) -> None:
    known = {f"{PREFIX}{field.upper()}" for field in Settings.model_fields} | {ENV_FILE_VARIABLE}
    known.update(f"{_own_prefix(name)}{setting}" for name in names for setting in settings_of_one())
    strange = sorted(given.keys() - known)
    if strange:
        raise SettingsError(f"unknown setting: {', '.join(strange)}; correct the name or remove it")


def _refuse_the_same(pbxes: Sequence[PbxSettings]) -> None:
    """What is one Asterisk's alone under two names would put its calls on record twice, or mix their recordings."""
    alone: tuple[tuple[str, Callable[[PbxSettings], object]], ...] = (
        ("AMI_PORT", lambda pbx: (pbx.ami_host, pbx.ami_port) if pbx.ami_enabled else None),
        ("CEL_SOURCE", lambda pbx: pbx.cel_source.get_secret_value()),
        ("RECORDINGS_FOLDER", lambda pbx: pbx.recordings_folder),
    )
    for setting, value_of in alone:
        seen: dict[object, str] = {}
        for pbx in pbxes:
            value = value_of(pbx)
            if value and value in seen:
                raise SettingsError(
                    f"{_own_prefix(pbx.pbx_name)}{setting}: is {seen[value]}'s already; each Asterisk needs its own"
                )
            seen[value] = pbx.pbx_name


def _explain(error: ValidationError, prefix: str) -> list[str]:
    """A line for each wrong value, with the variable's name."""
    lines = []
    for item in error.errors():
        message = item["msg"].removeprefix("Value error, ")
        lines.append(f"{prefix}{str(item['loc'][0]).upper()}: {message}" if item["loc"] else message)
    return lines


def settings_of_one() -> list[str]:
    """What can be set for one of several Asterisks, as the variable's last part."""
    return [field.upper() for field in PbxSettings.model_fields if field != "pbx_name"]


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
