"""Answers one call as a script that Asterisk starts, for a PBX that forbids FastAGI; the same decision as the server's.

The running server is asked first; only where it does not answer does the script read the company from the database,
whose packages take a caller much longer to load than the whole of the rest. So nothing here may import them.
"""

import io
import signal
import sys
from collections.abc import Callable
from typing import BinaryIO

from asterisk.agi import AGI, AGIException

from agi.protocol import Request, read_variables, set_variable
from agi.relay import Address, ask_server
from dialplan.words import PLAN

DEADLINE_SECONDS = 1.2
"""For the server's answer, and for the database's; the dialplan waits 1.5 s in all, and then goes on by itself."""
LOAD_SECONDS = 5.0
"""For loading what deciding without the server takes; a busy machine may need longer than the dialplan waits."""
RECORD_SECONDS = 5.0
"""For the record, which nobody waits for."""

Answer = Callable[[str], bool]
"""Gives a plan to Asterisk, and tells whether Asterisk took it."""
DecideAlone = Callable[[Request, Answer], None]
"""Decides without the server, answers, and records what Asterisk took."""


def run_oneshot(
    server: Address | None, load_decider: Callable[[], DecideAlone], stdin: BinaryIO, stdout: BinaryIO
) -> int:
    """Answer the question on `stdin` with a plan on `stdout`; give the process's exit status.

    Whatever fails leaves the plan unset, and the dialplan goes on by its own.

    Args:
        server: where the FastAGI server listens; None where that is not known.
        load_decider: loads what deciding without the server takes.
        stdin: where Asterisk writes; any bytes.
        stdout: where Asterisk reads; closed before a decision is recorded.
    """
    # The default action ends the process: no hung server, database, disk or pipe can keep it longer.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    _end_after(DEADLINE_SECONDS)
    try:
        # pyst2 tells its stderr each line that it reads, and fails on bytes that are not UTF-8.
        output = io.TextIOWrapper(stdout, encoding="utf-8", write_through=True)
        agi = AGI(io.TextIOWrapper(stdin, encoding="utf-8", errors="replace"), output, io.StringIO())
        variables = {name.removeprefix("agi_"): value for name, value in agi.env.items()}
        answer = None if server is None else ask_server(server, variables)
        if answer is not None:
            answer.conclude(_tell(agi, output, answer.command))
        else:
            _end_after(LOAD_SECONDS)
            decide_alone = load_decider()
            _end_after(DEADLINE_SECONDS)
            # Our own quoting: pyst2 has none.
            decide_alone(read_variables(variables), lambda plan: _tell(agi, output, set_variable(PLAN, plan).decode()))
    except Exception as error:
        _end_after(RECORD_SECONDS)
        sys.stderr.write(f"leadline: the call goes on without a plan: {error!r}\n")
        return 1
    return 0


def _tell(agi: AGI, output: io.TextIOWrapper, command: str) -> bool:
    try:
        agi.execute(command)
    except (AGIException, ValueError, OSError):
        # The caller hung up: pyst2 finds a closed pipe, or no number where the reply should be.
        return False
    # Asterisk goes on as soon as the pipe is closed, and does not wait for the record.
    output.close()
    _end_after(RECORD_SECONDS)
    return True


def _end_after(seconds: float) -> None:
    signal.setitimer(signal.ITIMER_REAL, seconds)
