"""Everything that runs while calls are made: Asterisk, its phones, the database, one or two Leadline servers."""

import asyncio
import re
import secrets
import socket
import urllib.parse
import urllib.request
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from sqlalchemy import text as sql

from dialplan.render import PHONES, AsteriskValues
from leadline.demo.asterisk import AsteriskInstance
from leadline.demo.asterisk_root import ensure_root
from leadline.demo.scenarios import Account, Behaviour
from leadline.demo.server_process import ServerProcess
from leadline.demo.sipp import await_value, free_port, free_ports
from leads.store.engine import Database
from tests.lab.faults.company import ADMIN, OURS, fill
from tests.lab.faults.proxy import LOCAL, AmiWire
from tests.lab.faults.traffic import End

_CSRF = re.compile(r'name="csrf" value="([^"]+)"')
_PHONE = """
[{number}](phone)
aors = {number}
callerid = <{number}>
[{number}]
type = aor
contact = sip:{number}@{address}:{port}
"""


class Server:
    """One `leadline serve`, and the wire by which it hears of calls."""

    def __init__(self, name: str, database_url: str, asterisk: AsteriskInstance, values: AsteriskValues) -> None:
        folder = asterisk.folder.parent
        self.name = name
        self.wire = AmiWire(values.ami_port)
        self.fastagi_port = free_port(socket.SOCK_STREAM)
        self.panel_port = free_port(socket.SOCK_STREAM)
        self.process = ServerProcess(
            {
                "LEADLINE_DATABASE_URL": database_url,
                "LEADLINE_AMI_PORT": str(self.wire.port),
                "LEADLINE_AMI_SECRET": values.ami_events_secret,
                "LEADLINE_AMI_CONTROL_SECRET": values.ami_control_secret or "",
                "LEADLINE_AMI_SILENCE_SECONDS": "2",
                "LEADLINE_FASTAGI_PORT": str(self.fastagi_port),
                "LEADLINE_PANEL_PORT": str(self.panel_port),
                "LEADLINE_DEFAULT_EXTENSION": "103",
                "LEADLINE_CEL_SOURCE": f"csv:{asterisk.log / 'cel-custom' / 'leadline.csv'}",
            },
            log=folder / f"{name}.log",
            health_url=f"http://{LOCAL}:{self.panel_port}/healthz",
        )

    def page(self, path: str) -> str:
        """A page of the panel, as the administrator sees it."""
        base, (login, _, password) = f"http://{LOCAL}:{self.panel_port}", ADMIN
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        with browser.open(f"{base}/sign-in", timeout=10) as form:
            token = _CSRF.search(form.read().decode())
        assert token
        fields = urllib.parse.urlencode({"csrf": token[1], "login": login, "password": password, "next": ""})
        with browser.open(f"{base}/sign-in", fields.encode(), timeout=10):
            pass
        with browser.open(f"{base}{path}", timeout=10) as answer:
            return str(answer.read().decode())

    def close(self) -> None:
        self.process.stop()
        self.wire.close()


class World:
    """Start it with `with`, from the main thread."""

    def __init__(self, folder: Path, database_url: str, servers: int) -> None:
        self.folder = folder
        self.database_url = database_url
        self._stack = ExitStack()
        rtp = free_ports(socket.SOCK_DGRAM, 400)
        self.values = AsteriskValues(
            ami_events_secret=secrets.token_hex(12),
            ami_control_secret=secrets.token_hex(12),
            phone_secrets={number: secrets.token_hex(12) for number in PHONES},
            sip_port=free_port(socket.SOCK_DGRAM),
            rtp_start=rtp.start,
            rtp_end=rtp.stop - 1,
            trunk_port=free_port(socket.SOCK_DGRAM),
            ami_port=free_port(socket.SOCK_STREAM),
            fastagi_port=free_port(socket.SOCK_STREAM),
            fallback_plan="L1||P,30,1PJSIP/103,,",
        )
        self.pbx = (LOCAL, self.values.sip_port)
        self.asterisk = AsteriskInstance(folder / "asterisk", ensure_root())
        self.asterisk.configure(self.values)
        self.servers = [Server(f"server-{i}", database_url, self.asterisk, self.values) for i in range(servers)]
        self.ends: dict[str, End] = {}

    def __enter__(self) -> "World":
        asyncio.run(self._fill())
        self._add_phones()
        self._ask(self.servers[0], in_file=True)
        self.asterisk.start()
        self._stack.callback(self.asterisk.stop)
        for server in self.servers:
            self._stack.callback(server.close)
            server.process.start()
        for server in self.servers:
            server.process.await_health()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def account(self, number: str) -> Account:
        return Account(number, self.values.phone_secrets[number])

    def ask(self, server: Server) -> None:
        """Let the dialplan ask this server from now on."""
        self._ask(server, in_file=False)

    def rows(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        """What the database holds."""
        return asyncio.run(self._rows(statement, values))

    def await_rows(self, statement: str, count: int = 1, seconds: float = 30.0, **values: Any) -> list[dict[str, Any]]:
        """Wait until the statement finds `count` rows."""
        return await_value(
            lambda: found if len(found := self.rows(statement, **values)) >= count else None,
            seconds,
            f"{count} rows of: {statement}",
        )

    async def _rows(self, statement: str, values: dict[str, Any]) -> list[dict[str, Any]]:
        database = Database(self.database_url)
        try:
            async with database.read() as session:
                return [dict(row) for row in (await session.execute(sql(statement), values)).mappings()]
        finally:
            await database.dispose()

    async def _fill(self) -> None:
        database = Database(self.database_url)
        try:
            await fill(database)
        finally:
            await database.dispose()

    def _add_phones(self) -> None:
        """Phones that are where they are, so that an Asterisk that was restarted finds them at once."""
        config = self.asterisk.etc / "pjsip.conf"
        text = config.read_text().replace("qualify_frequency = 10", "qualify_frequency = 0")
        for number, behaviour in OURS.items():
            port = free_port(socket.SOCK_DGRAM)
            if number in PHONES:
                address = f"\ncontact = sip:{number}@{LOCAL}:{port}"
                text = text.replace(f"[{number}](phone-aor)", f"[{number}](phone-aor){address}")
            else:
                text += _PHONE.format(number=number, address=LOCAL, port=port)
            self._add_end(number, behaviour, port)
        config.write_text(text)
        self._add_end("outside", Behaviour(ring_seconds=0.4), self.values.trunk_port)

    def _add_end(self, user: str, behaviour: Behaviour, port: int) -> None:
        self.ends[user] = End(user, behaviour, self.pbx, port)
        self._stack.callback(self.ends[user].close)

    def _ask(self, server: Server, *, in_file: bool) -> None:
        address = f"agi://{LOCAL}:{server.fastagi_port}/route"
        if not in_file:
            self.asterisk.cli(f"dialplan set global LEADLINE_AGI {address}")
            return
        file = self.asterisk.etc / "leadline-globals.conf"
        file.write_text(file.read_text().replace(f"agi://{LOCAL}:{self.values.fastagi_port}/route", address))


def now() -> datetime:
    return datetime.now(UTC)
