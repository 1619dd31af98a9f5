"""Keeps the plans that Asterisk walks without us in step with the company, whoever changes that (C8)."""

import asyncio

import structlog

from ami_listener.control import DatabaseCopy
from dialplan.defaults import default_plans
from leads.domain.directory import Directory
from leads.store.directory import DirectoryCache
from leads.store.lookup import CallerLookup, LookupUnavailable

LOOK_SECONDS = 1.0
"""How soon a change reaches Asterisk; it costs one statement."""

_log = structlog.get_logger(__name__)


async def keep_fallback_copy(
    copy: DatabaseCopy,
    lookup: CallerLookup,
    directories: DirectoryCache,
    *,
    region: str,
    default_extension: str | None,
) -> None:
    """Give `copy` the plans of our numbers whenever the company changes, whoever changed it; ends by cancellation.

    Args:
        copy: writes them to Asterisk; run it beside this.
        lookup: tells the directory's present version.
        directories: the company.
        region: whose national form of our numbers a trunk may use.
        default_extension: who is rung when the dialled number names nobody.
    """
    given: Directory | None = None
    while True:
        directory = directories.current
        try:
            directory = await directories.at_least((await lookup.find(None)).directory_version)
        except LookupUnavailable:
            _log.debug("directory version not known; the copy stays as it is")
        if directory is not given:
            plans = default_plans(directory, region=region, default_extension=default_extension)
            copy.sync_defaults(plans.by_digits)
            given = directory
        await asyncio.sleep(LOOK_SECONDS)
