"""The other end of the demonstration's trunk: answers whatever our phones dial, so that outgoing calls can be tried."""

from types import TracebackType

from leadline.demo import scenarios
from leadline.demo.listen import LOOPBACK
from leadline.demo.scenarios import Behaviour
from leadline.demo.sipp import Sipp


class OutsideLine:
    """A public network in which everybody answers after two seconds and talks until the other side hangs up."""

    def __init__(self, port: int) -> None:
        """`port` is the one, on the loopback, to which Asterisk's trunk sends."""
        self._port = port

    def __enter__(self) -> "OutsideLine":
        script = scenarios.phone("outside", Behaviour(ring_seconds=2.0))
        # It calls nobody; sipp wants to be told of somebody all the same.
        self._sipp = Sipp(script, pbx=(LOOPBACK, self._port), local=(LOOPBACK, self._port), arguments=("-aa",))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sipp.discard()
