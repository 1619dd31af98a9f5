"""Recordings in the panel: listening with seeking, saving, deleting, pausing, and which calls are recorded (C12).

Who may see a call hears its recording only with a right of its own; whoever does so is on record.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

import structlog
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from leads.admin import ranges
from leads.admin.call_lines import visible
from leads.admin.context import Panel, Viewer, admin_only, panel_of, viewer_of
from leads.admin.downloads import send
from leads.admin.forms import ID
from leads.admin.guard import form_of
from leads.admin.i18n import _
from leads.admin.refusals import no_recordings_here, recording_stays
from leads.admin.rendering import redirect
from leads.admin.seen import seen_call
from leads.domain.calls import Phase
from leads.store import audit, board, recordings
from leads.store.models import Use
from leads.store.recording_files import AudioFile, RecordingFolder, RecordingGoneError
from leads.store.recordings import RecordingRow, UseRow

CHUNK = 128 * 1024

routes = web.RouteTableDef()
_log = structlog.get_logger(__name__)


class RecordingUnavailableError(Exception):
    """Asterisk cannot be asked to pause or go on, or the call is not being recorded; the text says why."""


class RecordingControl(Protocol):
    """Pauses the recording of a running call and lets it go on."""

    def can_control(self, pbx: str) -> bool:
        """Whether this Asterisk can be asked to."""

    async def pause(self, pbx: str, linkedid: str) -> None:
        """Stop recording for a while.

        Raises:
            RecordingUnavailableError: it cannot be done.
        """

    async def resume(self, pbx: str, linkedid: str) -> None:
        """Go on recording.

        Raises:
            RecordingUnavailableError: it cannot be done.
        """


@dataclass(frozen=True, slots=True)
class Recordings:
    """What the panel has to do with recordings: the folders, by Asterisk server, and the way to pause."""

    folders: Mapping[str, RecordingFolder] = field(default_factory=dict)
    control: RecordingControl | None = None

    async def delete(self, pbx: str, path: str) -> None:
        """Delete a recording's file.

        Raises:
            HTTPConflict: its folder is out of reach, or the file cannot be deleted.
        """
        folder = self.folders.get(pbx)
        if folder is None:
            raise no_recordings_here()
        try:
            await asyncio.to_thread(folder.delete, path)
        except RecordingGoneError:
            pass  # What is on record names no file of ours: nothing is there to delete.
        except OSError as error:
            _log.error("a recording cannot be deleted", path=path, why=str(error))
            raise recording_stays() from None


@dataclass(frozen=True, slots=True)
class ShownRecording:
    """One recording on a page; `seconds` is None where there is no file."""

    id: int
    row: RecordingRow
    seconds: float | None
    uses: Sequence[UseRow] = ()


@dataclass(frozen=True, slots=True)
class CallRecordings:
    """The recordings of one call, as one viewer gets to see them; a running call's file grows still."""

    running: bool
    may_listen: bool
    may_delete: bool
    files: Sequence[ShownRecording]


async def shown_recordings(
    session: AsyncSession,
    panel: Panel,
    viewer: Viewer,
    calls: Sequence[board.BoardCall],
    *,
    with_uses: bool = False,
) -> dict[int, CallRecordings]:
    """The recordings of calls that the viewer may see, by the call's key; calls without any are left out.

    Args:
        session: where the record is.
        panel: knows the folders.
        viewer: who looks.
        calls: which calls.
        with_uses: whether administrators are told who listened.
    """
    folders = panel.recordings.folders
    rows = await recordings.recordings_of(session, [(call.pbx, call.linkedid) for call in calls if call.recorded])
    if not rows:
        return {}
    may_listen = await recordings.may_listen(session, viewer.id)
    uses: dict[int, list[UseRow]] = {}
    if with_uses and viewer.is_admin:
        for use in await recordings.uses_of(session, [row.id for found in rows.values() for row in found]):
            uses.setdefault(use.recording_id, []).append(use)
    return {
        call.id: CallRecordings(
            call.phase is not Phase.ENDED,
            may_listen,
            viewer.is_admin,
            [ShownRecording(row.id, row, await _seconds(folders, row), uses.get(row.id, ())) for row in found],
        )
        for call in calls
        if (found := rows.get((call.pbx, call.linkedid)))
    }


async def _seconds(folders: Mapping[str, RecordingFolder], row: RecordingRow) -> float | None:
    folder = folders.get(row.pbx)
    if folder is None or row.deleted_at is not None:
        return None

    def look() -> float | None:
        try:
            with folder.open(row.path) as audio:
                return audio.seconds
        except RecordingGoneError:
            return None

    return await asyncio.to_thread(look)


@routes.get(f"/recordings/{ID}/audio")
async def listen(request: web.Request) -> web.StreamResponse:
    """A recording for the page's player, in the parts that it asks for."""
    return await _send(request, Use.LISTENED)


@routes.get(f"/recordings/{ID}/file")
async def save(request: web.Request) -> web.StreamResponse:
    """A recording to save as a file."""
    return await _send(request, Use.SAVED)


@routes.post(f"/recordings/{ID}/delete")
@admin_only
async def delete(request: web.Request) -> web.Response:
    """Delete a recording by hand; what is left on record is who did so and when."""
    panel, viewer = panel_of(request), viewer_of(request)
    form_of(request)
    async with panel.database.read() as session:
        row, call = await _find(session, request)
    if row.deleted_at is None:
        await panel.recordings.delete(row.pbx, row.path)
        async with panel.database.write() as session:
            await recordings.note_deleted(session, row.id, panel.clock(), by_id=viewer.id)
            await audit.note(session, audit.What.REMOVED, "recording", row.id, before={"call": call.id})
    return redirect(request, f"/calls/{call.id}", flash=_("The recording is deleted."))


@routes.post(f"/calls/{ID}/recording/pause")
@routes.post(f"/calls/{ID}/recording/resume")
async def pause_or_resume(request: web.Request) -> web.Response:
    """Let whoever talks in a call stop its recording for a while, or go on."""
    panel, viewer = panel_of(request), viewer_of(request)
    back = "/live" if form_of(request).value("back") == "/live" else f"/calls/{request.match_info['id']}"
    async with panel.database.read() as session:
        call = await seen_call(session, request)
    control = panel.recordings.control
    if not may_pause(viewer, call, control):
        raise web.HTTPForbidden(text=_("Only the employee who talks in this call can pause its recording."))
    assert control is not None
    pausing = request.path.endswith("/pause")
    try:
        await (control.pause if pausing else control.resume)(call.pbx, call.linkedid)
    except RecordingUnavailableError as error:
        _log.warning("recording not paused or resumed", linkedid=call.linkedid, why=str(error))
        raise web.HTTPConflict(
            text=_("This call is not being recorded at this moment, or Asterisk does not answer.")
        ) from None
    said = _("The recording is paused.") if pausing else _("The recording goes on.")
    return redirect(request, back, flash=said)


def may_pause(viewer: Viewer, call: board.BoardCall, control: RecordingControl | None) -> bool:
    """Whether the viewer is the one who talks in this call, and Asterisk can be asked."""
    talks = call.phase is Phase.TALKING and call.employee_id == viewer.id
    return talks and control is not None and control.can_control(call.pbx)


async def _find(session: AsyncSession, request: web.Request) -> tuple[RecordingRow, board.BoardCall]:
    """The recording that is asked for, and its call, if the viewer may see that."""
    missing = web.HTTPNotFound(text=_("There is no such recording, or it is not yours to hear."))
    row = await recordings.find_recording(session, int(request.match_info["id"]))
    if row is None:
        raise missing
    call_id = await recordings.call_of(session, row)
    call = None if call_id is None else await board.find_call(session, call_id)
    if call is None or not visible(viewer_of(request), panel_of(request).directory.current)(call):
        raise missing
    return row, call


async def _send(request: web.Request, use: Use) -> web.StreamResponse:
    panel, viewer = panel_of(request), viewer_of(request)
    async with panel.database.read() as session:
        row, call = await _find(session, request)
        if not await recordings.may_listen(session, viewer.id):
            raise web.HTTPForbidden(
                text=_("You may not listen to recordings. An administrator can give you that right.")
            )
        noted = await recordings.is_noted(session, row.id, viewer.id, use, panel.clock())
    folder = panel.recordings.folders.get(row.pbx)
    if row.deleted_at is not None:
        raise web.HTTPNotFound(text=_("This recording is not kept any more."))
    if folder is None:
        raise web.HTTPNotFound(text=_("This server does not know the folder of recordings."))
    async with AsyncExitStack() as opened:
        try:
            context = folder.open(row.path)
            audio = await asyncio.to_thread(context.__enter__)
        except RecordingGoneError:
            raise web.HTTPNotFound(text=_("The file of this recording is not where it should be.")) from None
        opened.callback(context.__exit__, None, None, None)
        if not noted:
            async with panel.database.write() as session:
                await recordings.note_use(session, row.id, viewer.id, use, panel.clock())
        return await _send_audio(request, audio, row, _file_name(call, viewer) if use is Use.SAVED else None)


async def _send_audio(
    request: web.Request, audio: AudioFile, row: RecordingRow, file_name: str | None
) -> web.StreamResponse:
    etag = f'"{row.id}-{audio.size:x}-{audio.changed_ns:x}"'
    changed = datetime.fromtimestamp(audio.changed_ns // 10**9, UTC)
    headers = {
        "Content-Type": "audio/wav",
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "Last-Modified": ranges.http_date(changed),
        "Cache-Control": "private, no-store",
    }
    if file_name is not None:
        headers["Content-Disposition"] = f'attachment; filename="{file_name}"'
    part = None
    if ranges.still_fits(request.headers.get("If-Range"), etag, changed):
        try:
            part = ranges.requested(request.headers.get("Range"), audio.size)
        except ranges.UnsatisfiableRangeError:
            return web.Response(status=416, headers={**headers, "Content-Range": f"bytes */{audio.size}"})
    start, count = part or (0, audio.size)
    response = web.StreamResponse(status=200 if part is None else 206, headers=headers)
    response.content_length = count
    if part is not None:
        response.headers["Content-Range"] = f"bytes {start}-{start + count - 1}/{audio.size}"
    await send(request, response, _chunks(audio, start, count))
    return response


async def _chunks(audio: AudioFile, start: int, count: int) -> AsyncIterator[bytes]:
    end = start + count
    while start < end:
        chunk = await asyncio.to_thread(audio.read, start, min(CHUNK, end - start))
        if not chunk:
            return
        yield chunk
        start += len(chunk)


def _file_name(call: board.BoardCall, viewer: Viewer) -> str:
    """A name that every system takes, of the time and the number outside."""
    at = call.started_at.astimezone(viewer.zone)
    number = re.sub(r"[^0-9]", "", call.outside_number or "")[:20]
    return f"{at:%Y-%m-%d_%H-%M-%S}{'_' if number else ''}{number}.wav"
