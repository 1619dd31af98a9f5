"""The other end of the demonstration's trunk: answers whatever our phones dial, so that outgoing calls can be tried."""

from types import TracebackType

from leadline.demo import scenarios
from leadline.demo.listen import LOOPBACK
from leadline.demo.phones import PhoneCall, await_end, phone_calls
from leadline.demo.scenarios import Behaviour
from leadline.demo.sipp import Sipp

NO_WAY_OUT = Behaviour(status=503, ring_seconds=0)
"""For a PBX that is open to a network: whoever dials out hears at once that this leads nowhere."""


class OutsideLine:
    """A public network in which everybody treats calls alike: answers after two seconds and talks, unless told else."""

    def __init__(self, port: int, behaviour: Behaviour | None = None) -> None:
        """`port` is the one, on the loopback, to which Asterisk's trunk sends."""
        self._port = port
        self._behaviour = behaviour or Behaviour(ring_seconds=2.0)

    def __enter__(self) -> "OutsideLine":
        script = scenarios.phone("outside", self._behaviour)
        # It calls nobody; sipp wants to be told of somebody all the same.
        self._sipp = Sipp(script, pbx=(LOOPBACK, self._port), local=(LOOPBACK, self._port), arguments=("-aa",))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sipp.discard()

    def calls(self) -> list[PhoneCall]:
        """The calls that were dialled to the public network."""
        return phone_calls(self._sipp.messages())

    def await_end(self, count: int = 1, seconds: float = 20.0) -> PhoneCall:
        """Wait until the call number `count` is over here too, which comes a moment after its end at our phone.

        Raises:
            PhoneError: it is not over after `seconds`.
        """
        return await_end(self.calls, count, seconds, "the outside line")
