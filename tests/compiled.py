"""Statements and templates are compiled once a run, not for each engine and panel: a fifth of the tests was that."""

from types import CodeType
from typing import Any

import pytest
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from sqlalchemy import create_engine, make_url
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.util import LRUCache

from leads.store import engine

STATEMENTS = 500


class SharedCache(LRUCache[Any, Any]):
    """What engines of one kind share; SQLAlchemy's keys begin with the engine's own dialect, which is left out."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(_without_dialect(key), default)

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(_without_dialect(key))

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(_without_dialect(key), value)


def _without_dialect(key: tuple[Any, ...]) -> tuple[Any, ...]:
    assert isinstance(key[0], Dialect)
    return key[1:]


def share_compiled(patch: pytest.MonkeyPatch) -> None:
    """Let every engine that the store opens from now on share what is compiled."""
    caches: dict[str, SharedCache] = {}

    def shared(url: Any) -> dict[str, Any]:
        return {"compiled_cache": caches.setdefault(make_url(url).drivername, SharedCache(STATEMENTS))}

    patch.setattr(
        engine, "create_async_engine", lambda url, **how: create_async_engine(url, execution_options=shared(url), **how)
    )
    patch.setattr(engine, "create_engine", lambda url, **how: create_engine(url, execution_options=shared(url), **how))


class CompiledTemplates(BytecodeCache):
    """Templates that were compiled for one panel are there for the next."""

    def __init__(self) -> None:
        self._codes: dict[str, CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._codes.get(bucket.key)

    def dump_bytecode(self, bucket: Bucket) -> None:
        assert bucket.code is not None
        self._codes[bucket.key] = bucket.code
