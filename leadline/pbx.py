"""Everything that exists once for each Asterisk: its tracker and listener, its control connection, its health (C13).

All of them feed one recorder and ask one company; what one Asterisk does must not hold up another.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from pydantic import SecretStr

from ami_listener.cel_source import open_source
from ami_listener.connection import AmiAccount, tls_context
from ami_listener.control import ControlConnection
from ami_listener.listener import CallListener
from ami_listener.phone_control import PhoneControl
from ami_listener.recorder import Recorder
from ami_listener.recovery import Recovery
from ami_listener.tracker import Tracker
from ami_listener.trunks import trunk_matcher
from dialplan.names import display_form
from dialplan.words import ORIGINATE, REJECT
from leadline import figures
from leadline.company_copy import CompanyCopy, CopyRules
from leadline.metrics import PartHealth
from leadline.parts import Parts, ServerError
from leadline.pbx_settings import PbxSettings
from leadline.settings import Settings
from leads.admin.questions import Questions
from leads.domain.directory import Extension
from leads.store.board import calls_left_running
from leads.store.directory import DirectoryCache
from leads.store.engine import Database
from leads.store.lookup import CallerLookup


@dataclass(frozen=True, slots=True)
class Shared:
    """What exists once and serves every Asterisk."""

    settings: Settings
    database: Database
    directory: DirectoryCache
    lookup: CallerLookup
    recorder: Recorder
    questions: Questions


def phone_control(control: ControlConnection) -> PhoneControl:
    """What makes an Asterisk's phones answer, fall silent and call, in the words of its dialplan."""

    def display(name: str, language: str | None, phone: Extension) -> str | None:
        return display_form(name, language, phone.display_mode, phone.display_length)

    return PhoneControl(control, reject_context=REJECT, originate_context=ORIGINATE, display=display)


class Pbx:
    """One Asterisk, for as long as the parts it was started with run.

    Attributes:
        settings: of this Asterisk alone.
        listener: follows its calls; None where AMI is switched off.
        control: for actions on it, shared by all who need some; None without a control account.
        copy: keeps its own copy of the routes; None without a control account.
        recovery: completes the record from what this Asterisk keeps of calls; None where no source is named.
    """

    def __init__(self, settings: PbxSettings) -> None:
        """Nothing runs before `start`."""
        self.settings = settings
        self.listener: CallListener | None = None
        self.control: ControlConnection | None = None
        self.copy: CompanyCopy | None = None
        self.recovery: Recovery | None = None

    @property
    def name(self) -> str:
        """Calls are known by it and their linkedid."""
        return self.settings.pbx_name

    @property
    def is_away(self) -> bool:
        """Whether its calls cannot be followed now, though they should be."""
        return self.listener is not None and self.listener.connection.link is None

    async def start(self, shared: Shared, parts: Parts) -> None:
        """Begin to follow this Asterisk; `parts` ends it.

        Raises:
            ServerError: a TLS file or the source of call records is of no use.
        """
        if self.settings.ami_enabled:
            await self._start_listener(shared, parts)
        if self.settings.cel_source.get_secret_value():
            self._start_recovery(shared, parts)
        if self.settings.ami_control_secret.get_secret_value():
            self.control = self._start_control(parts)
            self.copy = self._start_copy(self.control, shared, parts)
            shared.questions.attach(self.name, phone_control(self.control))

    def health(self) -> list[PartHealth]:
        """How its parts are, each with this Asterisk's name."""
        health = []
        if self.listener is not None:
            health.append(figures.listener_health(self.listener))
        if self.copy is not None:
            health.append(figures.copy_health(self.copy))
        if self.recovery is not None:
            health.append(figures.recovery_health(self.recovery))
        return [replace(part, detail={"pbx": self.name, **part.detail}) for part in health]

    async def _start_listener(self, shared: Shared, parts: Parts) -> None:
        settings = self.settings
        async with shared.database.read() as session:
            left_running = await calls_left_running(session, self.name)
        self.listener = CallListener(
            Tracker(self.name, trunk_matcher(settings.trunks), left_running),
            shared.recorder.submit,
            self._account(settings.ami_username, settings.ami_secret),
            on_rings=shared.questions.take,
            silence=settings.ami_silence,
        )
        parts.run(self.listener.run(), f"ami {self.name}")

    def _start_recovery(self, shared: Shared, parts: Parts) -> None:
        try:
            source = open_source(self.settings.cel_source.get_secret_value(), shared.settings.zone)
        except ValueError as error:
            raise ServerError(f"LEADLINE_CEL_SOURCE: {error}") from None
        parts.push_async_callback(source.close)
        self.recovery = Recovery(
            self.name,
            source,
            is_trunk=trunk_matcher(self.settings.trunks),
            live=self.listener,
            recorder=shared.recorder,
            database=shared.database,
        )
        parts.run(self.recovery.run(), f"recovery {self.name}")

    def _start_control(self, parts: Parts) -> ControlConnection:
        settings = self.settings
        account = self._account(settings.ami_control_username, settings.ami_control_secret)
        control = ControlConnection(account, silence=settings.ami_silence)
        parts.run(control.run(), f"control {self.name}")
        return control

    def _start_copy(self, control: ControlConnection, shared: Shared, parts: Parts) -> CompanyCopy:
        settings = shared.settings
        rules = CopyRules(
            settings.region,
            settings.default_extension,
            settings.name_language,
            timedelta(minutes=settings.copy_minutes),
            settings.zone,
        )
        copy = CompanyCopy(control, shared.database, shared.lookup, shared.directory, rules)
        parts.run(copy.run(), f"copy of routes {self.name}")
        return copy

    def _account(self, username: str, secret: SecretStr) -> AmiAccount:
        settings = self.settings
        try:
            tls = tls_context(settings.ami_tls_ca) if settings.ami_tls else None
        except OSError as error:
            raise ServerError(f"LEADLINE_AMI_TLS_CA: {error}") from None
        return AmiAccount(settings.ami_host, settings.ami_port, username, secret.get_secret_value(), tls)
