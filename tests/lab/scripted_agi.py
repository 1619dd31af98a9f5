"""A FastAGI server that answers each dialled number as a test says, or fails in the way that the test says."""

import contextlib
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

SILENT = "silent"
SILENT_AFTER_COMMAND = "silent after one command"
CLOSES = "closes"


@dataclass(frozen=True)
class Question:
    """What Asterisk asked: its environment block."""

    env: dict[str, str]

    @property
    def did(self) -> str:
        return self.env.get("agi_arg_1", "")


class ScriptedAgi:
    """Answers questions by `answers`: from the dialled number to a plan, or to one of the failures above."""

    def __init__(self, port: int) -> None:
        self.answers: dict[str, str] = {}
        self.questions: list[Question] = []
        self._changed = threading.Condition()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self._threads = [threading.Thread(target=self._serve, daemon=True)]
        self._threads[0].start()

    def asked(self, did: str, count: int = 1, seconds: float = 10.0) -> list[Question]:
        """Wait until `did` was asked about `count` times."""

        def found() -> list[Question]:
            return [question for question in self.questions if question.did == did]

        with self._changed:
            assert self._changed.wait_for(lambda: len(found()) >= count, seconds), f"nobody asked about {did}"
            return found()

    def close(self) -> None:
        """Stop listening, as a server that is not there."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def __enter__(self) -> "ScriptedAgi":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _peer = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            thread = threading.Thread(target=self._answer, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError), connection.makefile("rb") as lines:
            env = dict(line.decode().rstrip("\n").split(": ", 1) for line in _block(lines.readline))
            with self._changed:
                self.questions.append(Question(env))
                self._changed.notify_all()
            answer = self.answers.get(env.get("agi_arg_1", ""), CLOSES)
            if answer == CLOSES:
                return
            if answer == SILENT_AFTER_COMMAND:
                connection.sendall(b'SET VARIABLE LEADLINE_OTHER "1"\n')
            elif answer != SILENT:
                connection.sendall(f'SET VARIABLE LEADLINE_PLAN "{answer}"\n'.encode())
                assert lines.readline().startswith(b"200 ")
                return
            while lines.readline():  # until Asterisk lets go
                pass


def _block(readline: Callable[[], bytes]) -> list[bytes]:
    block = []
    while (line := readline()) not in (b"\n", b""):
        block.append(line)
    return block
