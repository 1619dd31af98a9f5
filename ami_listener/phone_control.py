"""Makes phones answer, stop ringing, and call: what an employee asks for on the screen, as AMI actions (C10, C11).

Everything that goes into an action was checked here: names of channels and endpoints, numbers, names for displays.
"""

import re
from collections.abc import Callable

from ami_listener.control import AmiLostError, AmiRefusedError, ControlConnection
from leads.domain.directory import Extension
from leads.domain.rings import PhonesUnavailableError, Rejection, Ring

ASK_SECONDS = 2.0
RING_SECONDS = 45
"""How long the employee's own phone rings for a call that he started on the screen."""

_CHANNEL = re.compile(r"[A-Za-z0-9]{2,10}/[A-Za-z0-9_.@+/-]{1,80}-[0-9a-f]{8,16}")
_UNIQUEID = re.compile(r"[A-Za-z0-9_.-]{1,150}")
_ENDPOINT = re.compile(r"[A-Za-z0-9]{2,10}/[A-Za-z0-9_.@+/-]{1,80}")
_NUMBER = re.compile(r"\+?[0-9]{3,15}")
_NOT_FOR_VALUES = re.compile(r"[^\w .'/-]+")


class PhoneControl:
    """The phones of one Asterisk.

    Args:
        control: its control connection.
        reject_context: the dialplan's context that gives a rejected phone its hangup cause.
        originate_context: the one context in which calls are started.
        display: gives a name (and its language) the form that a phone's display can draw.
    """

    def __init__(
        self,
        control: ControlConnection,
        *,
        reject_context: str,
        originate_context: str,
        display: Callable[[str, str | None, Extension], str | None],
    ) -> None:
        self._control = control
        self._display = display
        self._reject_context = reject_context
        self._originate_context = originate_context

    @property
    def available(self) -> bool:
        """Whether Asterisk can be asked now."""
        return self._control.is_connected

    async def answer(self, ring: Ring) -> None:
        """Ask a ringing phone to answer, by a NOTIFY within its dialog; whether it does, the tracker will tell.

        Raises:
            PhonesUnavailableError: Asterisk cannot be asked.
        """
        if _CHANNEL.fullmatch(ring.channel):
            await self._ask("PJSIPNotify", {"Channel": ring.channel, "Variable": "Event=talk"})

    async def reject(self, ring: Ring) -> Rejection:
        """End one ringing, never a conversation: the caller goes on along his way.

        AMI's Hangup asks nobody whether the phone has been answered meanwhile. Here Asterisk looks and acts in one go,
        while it holds the channel's lock, without which the channel cannot go up: IMPORT evaluates on a locked channel.
        A time limit of a microsecond then ends it; the handler gives it the cause "call rejected" (21). An answer that
        Asterisk has received but not yet read still comes through; Dial finds GOSUB_RESULT, and sends the caller on.

        Raises:
            PhonesUnavailableError: Asterisk cannot be asked.
        """
        if not _CHANNEL.fullmatch(ring.channel) or not _UNIQUEID.fullmatch(ring.uniqueid):
            return Rejection.GONE
        answer = await self._ask("Getvar", {"Variable": self._end_if_ringing(ring)})
        state, uniqueid, *_ = *(answer or "").split(), "", ""
        if uniqueid != ring.uniqueid:
            return Rejection.GONE
        return Rejection.LATE if state == "Up" else Rejection.DONE

    async def call(self, phone: Extension, number: str, name: str | None, language: str | None) -> None:
        """Ring an employee's phone, and when he answers, call `number`.

        Args:
            phone: his.
            number: whom to call, in E.164.
            name: whose number it is, shown on his display in the form that it can draw.
            language: of the name.

        Raises:
            PhonesUnavailableError: Asterisk cannot be asked, or will not.
            ValueError: an argument is none that may go into an action.
        """
        if not (_ENDPOINT.fullmatch(phone.endpoint) and _NUMBER.fullmatch(number)):
            raise ValueError(f"{phone.endpoint!r} or {number!r} is no phone or number")
        variables = [f"CONNECTEDLINE(num,i)={number}"]
        if name and (shown := self._display(name, language, phone)):
            variables.append(f"CONNECTEDLINE(name,i)={' '.join(_NOT_FOR_VALUES.sub(' ', shown).split())}")
        answer = await self._ask(
            "Originate",
            {
                "Channel": phone.endpoint,
                "Context": self._originate_context,
                "Exten": number,
                "Priority": "1",
                "Timeout": str(RING_SECONDS * 1000),
                "Async": "true",
                "Variable": variables,
            },
        )
        if answer is None:
            raise PhonesUnavailableError("Asterisk refused the call")

    def _end_if_ringing(self, ring: Ring) -> str:
        rings = f'$["${{CHANNEL(state)}}" != "Up" & "${{UNIQUEID}}" = "{ring.uniqueid}"]'

        def put(variable: str, value: str) -> str:
            """Set a variable of the channel, or one that nobody reads when it does not ring any more."""
            return f"${{LEN(${{SET(${{IF({rings}?{variable}:LEADLINE_LATE)}}={value})}})}}"

        cause = put("CHANNEL(hangup_handler_push)", f"{self._reject_context},s,1")
        answered_meanwhile = put("GOSUB_RESULT", "CONTINUE")
        end = put("TIMEOUT(absolute)", "0.000001")
        return f"IMPORT({ring.channel},EVAL(${{CHANNEL(state)}} ${{UNIQUEID}} {cause}{answered_meanwhile}{end}))"

    async def _ask(self, action: str, headers: dict[str, str | list[str]]) -> str | None:
        """The value that the answer carries; None where Asterisk refuses, as it does for a channel that is gone."""
        try:
            answer = await self._control.ask(action, headers, ASK_SECONDS)
        except AmiRefusedError:
            return None
        except AmiLostError as error:
            raise PhonesUnavailableError(str(error)) from None
        return str(answer.get("Value", ""))
