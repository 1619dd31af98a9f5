"""Keeps in Asterisk what it needs to go on without us, in step with the company, whoever changes that (C8, C9)."""

import asyncio

import structlog

from ami_listener.control import AmiError, ControlConnection
from ami_listener.database_copy import DatabaseFamily
from dialplan.defaults import default_plans
from dialplan.recording import outgoing_entries
from dialplan.words import DID_FAMILY, RECORD_FAMILY
from leads.domain.directory import Directory
from leads.store.directory import DirectoryCache
from leads.store.lookup import CallerLookup, LookupUnavailable

LOOK_SECONDS = 1.0
"""How soon a change reaches Asterisk; it costs one statement."""

_log = structlog.get_logger(__name__)


class CompanyCopy:
    """The copy in one Asterisk.

    Args:
        control: writes it; run it beside this.
        lookup: tells the directory's present version.
        directories: the company.
        region: whose national form of our numbers a trunk may use.
        default_extension: who is rung when the dialled number names nobody.
    """

    def __init__(
        self,
        control: ControlConnection,
        lookup: CallerLookup,
        directories: DirectoryCache,
        *,
        region: str,
        default_extension: str | None,
    ) -> None:
        self.control = control
        self.numbers = DatabaseFamily(control, DID_FAMILY)
        self.recorded = DatabaseFamily(control, RECORD_FAMILY)
        self.in_step = asyncio.Event()
        self._lookup = lookup
        self._directories = directories
        self._region = region
        self._default_extension = default_extension
        self._given: Directory | None = None
        control.on_connected(self._forget)

    async def run(self) -> None:
        """Keep the copy in step; ends only by cancellation."""
        while True:
            try:
                await self._follow()
            except AmiError as error:
                self._forget()
                _log.warning("the copy in Asterisk waits", why=str(error))
            except LookupUnavailable:
                _log.debug("the company's version is not known; the copy stays as it is")
            await asyncio.sleep(LOOK_SECONDS)

    def _forget(self) -> None:
        """Asterisk may have lost what it had not written: all is compared again."""
        self._given = None
        self.in_step.clear()

    async def _follow(self) -> None:
        if not self.control.is_connected:
            return
        directory = await self._directories.at_least((await self._lookup.find(None)).directory_version)
        if directory is not self._given:
            plans = default_plans(directory, region=self._region, default_extension=self._default_extension)
            await self.numbers.make_equal(plans.by_digits)
            await self.recorded.make_equal(outgoing_entries(directory.recording))
            self._given = directory
            self.in_step.set()
