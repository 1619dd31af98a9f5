"""Pauses the recording of a running call and lets it go on, by the control account, as the keys *41 and *42 do."""

from collections.abc import Mapping

from ami_listener.control import AmiError, ControlConnection
from leads.admin.recordings import RecordingUnavailableError
from leads.domain.recordings import RecordingPath

_RECORDING, _PAUSED, _MONITOR = "LEADLINE_RECORDING", "LEADLINE_PAUSED", "LEADLINE_MIXMONITOR"
_FOLDER = "LEADLINE_RECORDINGS"


class AmiRecordingControl:
    """The recordings of all our Asterisk servers.

    Args:
        controls: the control connection of each Asterisk that has one, by its name.
    """

    def __init__(self, controls: Mapping[str, ControlConnection]) -> None:
        self._controls = controls

    def can_control(self, pbx: str) -> bool:
        """Whether this Asterisk can be asked now."""
        control = self._controls.get(pbx)
        return control is not None and control.is_connected

    async def pause(self, pbx: str, linkedid: str) -> None:
        """Stop recording the call for a while; what is said meanwhile is not in the file.

        Raises:
            RecordingUnavailableError: Asterisk cannot be asked, or the call is not recorded.
        """
        try:
            for channel, _path in await self._recorded(pbx, linkedid):
                if not await self._get(pbx, channel, _PAUSED):
                    monitor = await self._get(pbx, channel, _MONITOR)
                    control = self._controls[pbx]
                    await control.ask("StopMixMonitor", {"Channel": channel, "MixMonitorID": monitor})
                    await control.ask("Setvar", {"Channel": channel, "Variable": _PAUSED, "Value": "1"})
        except (AmiError, ValueError) as error:
            raise RecordingUnavailableError(f"Asterisk: {error}") from None

    async def resume(self, pbx: str, linkedid: str) -> None:
        """Go on recording the call, into the same file.

        Raises:
            RecordingUnavailableError: as `pause`.
        """
        try:
            for channel, path in await self._recorded(pbx, linkedid):
                if await self._get(pbx, channel, _PAUSED):
                    folder = await self._get(pbx, channel, _FOLDER)
                    control = self._controls[pbx]
                    options = f"ai({_MONITOR})"
                    await control.ask("Setvar", {"Channel": channel, "Variable": _PAUSED, "Value": ""})
                    await control.ask(
                        "MixMonitor", {"Channel": channel, "File": f"{folder}/{path}", "Options": options}
                    )
        except (AmiError, ValueError) as error:
            raise RecordingUnavailableError(f"Asterisk: {error}") from None

    async def _recorded(self, pbx: str, linkedid: str) -> list[tuple[str, RecordingPath]]:
        """The channels of the call that are recorded, each with its file."""
        rows = await self._controls[pbx].ask_list("CoreShowChannels", {})
        channels = [str(row["Channel"]) for row in rows if row.get("Linkedid") == linkedid and row.get("Channel")]
        found = []
        for channel in channels:
            path = await self._get(pbx, channel, _RECORDING)
            if path:
                found.append((channel, RecordingPath.read(path)))
        if not found:
            raise RecordingUnavailableError("This call is not being recorded.")
        return found

    async def _get(self, pbx: str, channel: str, variable: str) -> str:
        answer = await self._controls[pbx].ask("Getvar", {"Channel": channel, "Variable": variable})
        return str(answer.get("Value") or "")
