"""The server process: builds every part, passes them to each other, and ends them in the order that loses nothing.

FastAGI comes last at the start and first at the end: while it does not listen, Asterisk goes on by its own plan at once.
"""

import asyncio
import signal
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import structlog
from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from agi.server import FastAgiServer
from ami_listener.connection import AmiConnection
from ami_listener.recorder import Recorder
from leadline.dry_run import decision_record, make_service, make_writer
from leadline.settings import Settings
from leads.admin.app import create_panel, panel_runner
from leads.admin.feed import CallFeed
from leads.store.directory import DirectoryCache
from leads.store.engine import Database
from leads.store.lookup import CallerLookup
from leads.store.migrate import revisions
from routing.decision import Decision

DATABASE_RETRY_SECONDS = (1, 2, 4, 8, 15)
_log = structlog.get_logger(__name__)


class ServerError(Exception):
    """The server cannot start; the text names the reason and the mend."""
