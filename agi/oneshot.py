"""Answers one call as a script that Asterisk starts, for a PBX that forbids FastAGI; the same decision as the server's.

The running server is asked first; only where it does not answer does the script read the company from the database,
whose packages take a caller much longer to load than the whole of the rest. So nothing here may import them.
"""

import io
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO

from asterisk.agi import AGI, AGIException

from agi.protocol import Request, read_variables, set_variable
from agi.relay import Address, ask_server
from dialplan.words import PLAN

DEADLINE_SECONDS = 1.2
"""For the server's answer; the dialplan waits 1.5 s in all, and then goes on by itself."""
ALONE_SECONDS = 15.0
"""For the database's answer, if Asterisk waits so long: when it does not, it ends us (SIGHUP) long before."""
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
        stdout: where Asterisk reads.
    """
    # The default action ends the process: no hung server, database, disk or pipe can keep it longer.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    _end_after(DEADLINE_SECONDS)
    try:
        asterisk = _Asterisk(stdin, stdout)
        decided = None if server is None else ask_server(server, asterisk.variables)
        if decided is None:
            return _answer_apart(lambda answered: _decide(asterisk, load_decider, answered))
        decided.conclude(asterisk.tell(decided.command))
    except Exception as error:
        _complain(error)
        return 1
    return 0


class _Asterisk:
    """The pipes from and to Asterisk, and what it said of the call, named without `agi_`."""

    def __init__(self, stdin: BinaryIO, stdout: BinaryIO) -> None:
        # pyst2 tells its stderr each line that it reads, and fails on bytes that are not UTF-8.
        self._output = io.TextIOWrapper(stdout, encoding="utf-8", write_through=True)
        self._agi = AGI(io.TextIOWrapper(stdin, encoding="utf-8", errors="replace"), self._output, io.StringIO())
        self.variables = {name.removeprefix("agi_"): value for name, value in self._agi.env.items()}

    def tell(self, command: str) -> bool:
        """Have Asterisk carry out `command`, the last one; tell whether it did."""
        try:
            self._agi.execute(command)
        except (AGIException, ValueError, OSError):
            # The caller hung up: pyst2 finds a closed pipe, or no number where the reply should be.
            return False
        self._output.close()
        return True


def _decide(asterisk: _Asterisk, load_decider: Callable[[], DecideAlone], answered: Callable[[], None]) -> None:
    def answer(plan: str) -> bool:
        # Our own quoting: pyst2 has none.
        taken = asterisk.tell(set_variable(PLAN, plan).decode())
        answered()
        _end_after(RECORD_SECONDS)
        return taken

    _end_after(ALONE_SECONDS)
    decide_alone = load_decider()
    decide_alone(read_variables(asterisk.variables), answer)


def _answer_apart(work: Callable[[Callable[[], None]], None]) -> int:
    """Run `work` in a second process, and end this one, with its status, as soon as that has answered.

    When a script closes its pipe, Asterisk waits for the end of its process, without a bound: the caller would hear
    nothing for as long as a slow database takes for the record.
    """
    told, tells = os.pipe()
    if (other := os.fork()) == 0:
        os.close(told)
        try:
            work(lambda: _say(tells))
        except Exception as error:
            _complain(error)
        finally:
            os._exit(0)
    os.close(tells)
    # The caller hung up, or the dialplan waits no longer: with a database that hangs, processes must not pile up.
    signal.signal(signal.SIGHUP, lambda _number, _frame: os.kill(other, signal.SIGKILL))
    _end_after(ALONE_SECONDS + RECORD_SECONDS)
    return 0 if os.read(told, 1) else 1


def _say(descriptor: int) -> None:
    # Nobody reads any more when the caller has hung up.
    with suppress(OSError):
        os.write(descriptor, b".")


def _complain(error: Exception) -> None:
    sys.stderr.write(f"leadline: the call goes on without a plan: {error!r}\n")


def _end_after(seconds: float) -> None:
    signal.setitimer(signal.ITIMER_REAL, seconds)
