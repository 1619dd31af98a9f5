"""Answers one call as a script that Asterisk starts, for a PBX that forbids FastAGI; the same decision as the server's.

It costs a process for each call and reads the company from the database each time, so FastAGI is the better way.
"""

import asyncio
import io
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import BinaryIO

from asterisk.agi import AGI, AGIException

from agi.protocol import Request, read_variables, set_variable
from agi.service import RoutingService
from dialplan.plan import encode_plan
from dialplan.words import PLAN
from routing.decision import Decision

DEADLINE_SECONDS = 1.2
"""For the answer; the dialplan waits 1.5 s, and then goes on by itself."""
RECORD_SECONDS = 5.0
"""For the record, which nobody waits for."""

OpenService = Callable[[], AbstractAsyncContextManager[RoutingService]]
Record = Callable[[str, Decision, datetime], Awaitable[None]]


def run_oneshot(open_service: OpenService, record: Record, stdin: BinaryIO, stdout: BinaryIO) -> int:
    """Answer the question on `stdin` with a plan on `stdout`; give the process's exit status.

    Whatever fails leaves the plan unset, and the dialplan goes on by its own.

    Args:
        open_service: opens the database and reads the company.
        record: keeps the linkedid, the decision and its time; called when Asterisk has the answer already.
        stdin: where Asterisk writes; any bytes.
        stdout: where Asterisk reads; closed before the decision is recorded.
    """
    # The default action ends the process: no hung database, disk or pipe can keep it longer.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, DEADLINE_SECONDS)
    try:
        # pyst2 tells its stderr each line that it reads, and fails on bytes that are not UTF-8.
        output = io.TextIOWrapper(stdout, encoding="utf-8", write_through=True)
        agi = AGI(io.TextIOWrapper(stdin, encoding="utf-8", errors="replace"), output, io.StringIO())
        request = read_variables({name.removeprefix("agi_"): value for name, value in agi.env.items()})
        asyncio.run(_answer(agi, output, request, open_service, record))
    except Exception as error:
        signal.setitimer(signal.ITIMER_REAL, RECORD_SECONDS)
        sys.stderr.write(f"leadline: the call goes on without a plan: {error!r}\n")
        return 1
    return 0


async def _answer(
    agi: AGI, output: io.TextIOWrapper, request: Request, open_service: OpenService, record: Record
) -> None:
    async with open_service() as service:
        decision = await service.route(request.caller, request.caller_name, request.did)
        # Our own quoting: pyst2 has none.
        command = set_variable(PLAN, encode_plan(decision)).decode()
        try:
            agi.execute(command)
        except (AGIException, ValueError, OSError):
            # The caller hung up: pyst2 finds a closed pipe, or no number where the reply should be.
            return
        # Asterisk goes on as soon as the pipe is closed, and does not wait for the record.
        output.close()
        signal.setitimer(signal.ITIMER_REAL, RECORD_SECONDS)
        if request.linkedid is not None:
            await record(request.linkedid, decision, datetime.now(UTC))
