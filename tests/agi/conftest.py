"""Fixtures of questions and answers."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

from agi.service import RoutingService

from .company import FakeDirectories, FakeLookup


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run on both loops: Leadline takes uvloop where it is installed."""
    return {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
def lookup() -> FakeLookup:
    return FakeLookup()


@pytest.fixture
def directories() -> FakeDirectories:
    return FakeDirectories()


@pytest.fixture
def service(lookup: FakeLookup, directories: FakeDirectories) -> RoutingService:
    return RoutingService(lookup, directories, region="UA", default_extension="102", name_language="uk")
