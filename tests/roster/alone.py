"""Leads in memory that answer every list by themselves."""

from typing import Any

from leads.roster import roster
from leads.store.engine import Database
from leads.store.leads import Find
from leads.store.listing import Page


async def in_memory_alone(database: Database) -> Find:
    """What finds pages in memory; where it would leave that to the database, it fails instead."""
    leads = roster.LeadRoster(database)
    await leads.read_all()

    async def refuse(*_arguments: Any) -> Page:
        raise AssertionError("the database was asked")

    async def find(*arguments: Any) -> Page:
        asked, roster.find_leads = roster.find_leads, refuse
        try:
            return await leads.find(*arguments)
        finally:
            roster.find_leads = asked

    return find
