"""The network between Leadline and an Asterisk's manager interface, which can be cut, or go silent without a word."""

import select
import socket
import threading
from contextlib import suppress

LOCAL = "127.0.0.1"


class AmiWire:
    """Passes TCP on to Asterisk at `target`, for as long as it is open; `port` is where Leadline connects."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._lock = threading.Lock()
        self._flows = threading.Event()
        self._flows.set()
        self._listener = socket.create_server((LOCAL, 0))
        self.port: int = self._listener.getsockname()[1]
        self._open = True
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End all connections, as a firewall that was restarted."""
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            for end in pair:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def freeze(self) -> None:
        """Pass nothing on any more; connections stay, new ones are taken and get no answer."""
        self._flows.clear()

    def thaw(self) -> None:
        """Break what was frozen, as a dead network does in the end, and pass on what is new."""
        self.cut()
        self._flows.set()

    def close(self) -> None:
        self._open = False
        self._listener.close()
        self._flows.set()
        self.cut()

    def _accept(self) -> None:
        while self._open:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        try:
            far = socket.create_connection((LOCAL, self._target), 5)
        except OSError:
            near.close()
            return
        pair = (near, far)
        with self._lock:
            self._pairs.add(pair)
        try:
            self._pass_on(near, far)
        except OSError:
            pass
        finally:
            with self._lock:
                self._pairs.discard(pair)
            near.close()
            far.close()

    def _pass_on(self, near: socket.socket, far: socket.socket) -> None:
        other = {near: far, far: near}
        while True:
            readable, _, _ = select.select([near, far], [], [], 0.2)
            self._flows.wait()
            for end in readable:
                data = end.recv(65536)
                if not data:
                    return
                other[end].sendall(data)
