"""Recordings in the panel: who may hear them, seeking, saving, deleting, pausing, the company's choice (C12, X1)."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from sqlalchemy import select, update

from leads.admin.context import PANEL
from leads.admin.recordings import Recordings, RecordingUnavailableError
from leads.domain.calls import Phase, Result
from leads.domain.recordings import RecordedCalls
from leads.store import recordings
from leads.store.directory import DirectoryCache
from leads.store.engine import Database
from leads.store.models import Call, Did, Employee, Extension, Recording, RecordingUse
from leads.store.recording_files import RecordingFolder
from tests.admin.browser import window
from tests.admin.calls import add_call
from tests.admin.conftest import Answer, Clock, Company, Visitor
from tests.leads.test_recording_files import write_recording

LINKEDID = "1772442000.7"
PATH = f"2026-03-02/{LINKEDID}/{LINKEDID}.wav"


class FakeControl:
    """Asterisk's part of pausing: remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.refuses = False

    def can_control(self, pbx: str) -> bool:
        return pbx == "asterisk"

    async def pause(self, pbx: str, linkedid: str) -> None:
        self._ask("pause", pbx, linkedid)

    async def resume(self, pbx: str, linkedid: str) -> None:
        self._ask("resume", pbx, linkedid)

    def _ask(self, what: str, pbx: str, linkedid: str) -> None:
        if self.refuses:
            raise RecordingUnavailableError("no")
        self.asked.append((what, pbx, linkedid))


@pytest.fixture
def control() -> FakeControl:
    return FakeControl()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "recordings"
    root.mkdir()
    return root


@pytest.fixture
def app(app: web.Application, root: Path, control: FakeControl) -> web.Application:
    """The panel with a folder of recordings and a way to pause."""
    app[PANEL] = replace(app[PANEL], recordings=Recordings({"asterisk": RecordingFolder(root)}, control))
    return app


@pytest.fixture
def file(root: Path) -> Path:
    return write_recording(root, PATH, seconds=4)


@pytest.fixture
async def call(database: Database, clock: Clock, company: Company, file: Path) -> int:
    """A call that Yurii answered, with its recording."""
    ended = {"phase": Phase.ENDED, "result": Result.ANSWERED, "ended_at": clock(), "employee_id": company.yurii}
    key = await add_call(database, clock, LINKEDID, **ended)
    async with database.write() as session:
        await recordings.note_found(session, "asterisk", [(LINKEDID, PATH, clock())])
    return key


@pytest.fixture
async def recording(database: Database, call: int) -> str:
    async with database.read() as session:
        return f"/recordings/{await session.scalar(select(Recording.id))}"


def plant(secret: Path, link: Path) -> None:
    secret.write_bytes(b"RIFF secret")
    link.symlink_to(secret)


def content(file: Path) -> bytes:
    return file.read_bytes()


def is_there(file: Path) -> bool:
    return file.exists()


async def allow(database: Database, *logins: str, may: bool = True) -> None:
    async with database.write() as session:
        await session.execute(update(Employee).where(Employee.login.in_(logins)).values(may_listen=may))


async def ask_bytes(visitor: Visitor, path: str, **headers: str) -> tuple[int, bytes, Mapping[str, str]]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with visitor.client.get(visitor.base + path, headers=named, allow_redirects=False) as answer:
        return answer.status, await answer.read(), answer.headers


async def test_who_may_hear_it(
    database: Database, visitor: Callable[[], Visitor], recording: str, file: Path, company: Company
) -> None:
    """Right and call: both are needed, whatever the role."""
    for login, right, status in (
        ("yurii", False, 403),
        ("yurii", True, 200),
        ("maria", False, 404),
        ("maria", True, 404),
        ("boss", False, 403),
        ("boss", True, 200),
        ("admin", False, 403),
        ("admin", True, 200),
    ):
        await allow(database, login, may=right)
        one = visitor()
        await one.sign_in(login)
        for what in ("audio", "file"):
            got, body, _headers = await ask_bytes(one, f"{recording}/{what}")
            assert (got, login, right) == (status, login, right)
            assert (body == content(file)) is (status == 200)
    nobody = visitor()
    assert (await nobody.get(f"{recording}/audio")).status == 303


async def test_the_first_administrator_may_listen_and_a_new_employee_may_not(
    database: Database, company: Company
) -> None:
    async with database.read() as session:
        rows = await session.execute(select(Employee.login, Employee.may_listen))
    rights = {row.login: row.may_listen for row in rows}
    assert rights == {"admin": True, "yurii": False, "maria": False, "boss": False}


async def test_the_right_is_given_on_the_employees_page(database: Database, admin: Visitor, company: Company) -> None:
    page = await admin.get(f"/company/employees/{company.yurii}")
    assert 'name="may_listen"' in page.text
    fields: dict[str, object] = {
        "version": "1",
        "name": "Щербань Юрій",
        "login": "yurii",
        "role": "employee",
        "active": "1",
        "ring_seconds": "20",
        "may_listen": "1",
    }
    assert (await admin.post(f"/company/employees/{company.yurii}", fields)).status == 303
    async with database.read() as session:
        assert await recordings.may_listen(session, company.yurii)


async def test_seeking(admin: Visitor, recording: str, file: Path) -> None:
    whole = content(file)
    address = f"{recording}/audio"
    status, body, headers = await ask_bytes(admin, address)
    assert (status, body, headers["Accept-Ranges"], headers["Content-Type"]) == (200, whole, "bytes", "audio/wav")
    etag = headers["ETag"]
    for asked, start, end in (
        ("bytes=0-", 0, len(whole)),
        ("bytes=0-1", 0, 2),
        ("bytes=40-50", 40, 51),
        ("bytes=32044-", 32044, len(whole)),
        ("bytes=-100", len(whole) - 100, len(whole)),
        (f"bytes=10-{len(whole) * 2}", 10, len(whole)),
    ):
        status, body, headers = await ask_bytes(admin, address, Range=asked)
        assert (status, body) == (206, whole[start:end])
        assert headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(whole)}"
        assert headers["Content-Length"] == str(end - start)
    status, body, headers = await ask_bytes(admin, address, Range=f"bytes={len(whole)}-")
    assert (status, body, headers["Content-Range"]) == (416, b"", f"bytes */{len(whole)}")
    assert (await ask_bytes(admin, address, Range="bytes=5-9", If_Range=etag))[0] == 206
    assert (await ask_bytes(admin, address, Range="bytes=5-9", If_Range='"other"'))[:2] == (200, whole)
    async with admin.client.head(admin.base + address) as answer:
        assert (answer.status, answer.headers["Content-Length"]) == (200, str(len(whole)))


async def test_saving_gives_a_file_with_a_plain_name(admin: Visitor, recording: str) -> None:
    _status, _body, headers = await ask_bytes(admin, f"{recording}/file")
    assert headers["Content-Disposition"] == 'attachment; filename="2026-03-02_11-00-00_380501234567.wav"'
    assert headers["Cache-Control"] == "private, no-store"


async def test_a_path_on_record_never_leads_outside(
    database: Database, admin: Visitor, recording: str, root: Path
) -> None:
    secret = root.parent / "secret.wav"
    plant(secret, root / "2026-03-02" / LINKEDID / "link.wav")
    for path in ("../secret.wav", str(secret), f"2026-03-02/{LINKEDID}/link.wav", f"2026-03-02/{LINKEDID}/../../x.wav"):
        async with database.write() as session:
            await session.execute(update(Recording).values(path=path))
        for what in ("audio", "file"):
            status, body, _headers = await ask_bytes(admin, f"{recording}/{what}")
            assert (status, b"secret" in body) == (404, False)
        assert "<audio" not in (await admin.get("/live")).text
    await admin.post(f"{recording}/delete")
    assert is_there(secret)


async def test_listening_and_saving_are_on_record_once(
    database: Database, admin: Visitor, recording: str, call: int, clock: Clock
) -> None:
    for _again in range(3):
        await ask_bytes(admin, f"{recording}/audio", Range="bytes=100-")
    await ask_bytes(admin, f"{recording}/file")
    clock.move(minutes=11)
    await ask_bytes(admin, f"{recording}/audio")
    async with database.read() as session:
        uses = list(await session.scalars(select(RecordingUse.what).order_by(RecordingUse.id)))
    assert [use.value for use in uses] == ["listened", "saved", "listened"]
    page = await admin.get(f"/calls/{call}")
    assert (page.text.count("· listened"), page.text.count("· saved as a file")) == (2, 1)


async def test_only_an_administrator_deletes_and_that_stays_on_record(
    admin: Visitor, yurii: Visitor, recording: str, file: Path, call: int
) -> None:
    assert (await yurii.post(f"{recording}/delete")).status == 403
    assert (await admin.post(f"{recording}/delete", csrf=False)).status == 403
    assert is_there(file)
    assert (await admin.post(f"{recording}/delete")).location == f"/calls/{call}"
    assert not is_there(file)
    page = await yurii.get(f"/calls/{call}")
    assert "Recording deleted by Олена." in page.text
    assert "<audio" not in page.text
    assert (await ask_bytes(admin, f"{recording}/audio"))[0] == 404


async def test_the_player_is_on_the_call_and_on_the_card_for_those_who_may(
    database: Database, admin: Visitor, yurii: Visitor, recording: str, call: int
) -> None:
    page = await admin.get(f"/calls/{call}")
    assert f'<audio controls preload="none" src="{recording}/audio"' in page.text
    assert f'href="{recording}/file"' in page.text
    assert f"/calls/{call}#recording" in (await admin.get("/live")).text
    assert "<dd>Inbound</dd>" in page.text, "a call's direction is no choice of calls"
    assert "You may not listen" in (await yurii.get(f"/calls/{call}")).text


async def test_a_running_call_is_not_listened_to_yet(
    database: Database, admin: Visitor, clock: Clock, talk: int
) -> None:
    async with database.write() as session:
        await recordings.note_found(session, "asterisk", [("9.1", "2026-03-02/9.1/9.1.wav", clock())])
    page = await admin.get(f"/calls/{talk}")
    assert "The call is being recorded" in page.text
    assert "<audio" not in page.text


@pytest.fixture
async def talk(database: Database, clock: Clock, company: Company) -> int:
    """A call in which Yurii talks."""
    return await add_call(database, clock, "9.1", phase=Phase.TALKING, employee_id=company.yurii)


async def test_only_who_talks_pauses(
    database: Database, admin: Visitor, yurii: Visitor, control: FakeControl, talk: int
) -> None:
    key = talk
    assert "Pause the recording" in (await yurii.get(f"/calls/{key}")).text
    assert "Pause the recording" not in (await admin.get(f"/calls/{key}")).text
    assert (await admin.post(f"/calls/{key}/recording/pause")).status == 403
    assert (await yurii.post(f"/calls/{key}/recording/pause", {"back": "/live"})).location == "/live"
    assert (await yurii.post(f"/calls/{key}/recording/resume")).location == f"/calls/{key}"
    assert control.asked == [("pause", "asterisk", "9.1"), ("resume", "asterisk", "9.1")]
    control.refuses = True
    assert (await yurii.post(f"/calls/{key}/recording/pause")).status == 409
    async with database.write() as session:
        await session.execute(update(Call).values(phase=Phase.ENDED))
    assert (await yurii.post(f"/calls/{key}/recording/pause")).status == 403


async def _choose(admin: Visitor, version: int = 1, **changed: object) -> Answer:
    return await admin.post(
        "/company/recordings", {"version": str(version), "calls": "none", "keep_days": "90", **changed}
    )


async def test_the_company_chooses_what_is_recorded(
    database: Database, directory: DirectoryCache, admin: Visitor, yurii: Visitor, company: Company
) -> None:
    async with database.write() as session:
        session.add_all(Did(number=number) for number in ("+380441234567", "+380443334455"))
        await session.flush()
        chosen = await session.scalar(select(Did.id).where(Did.number == "+380441234567"))
    await directory.refresh()
    assert directory.current.recording.calls is RecordedCalls.NONE
    page = await admin.get("/company/recordings")
    assert "Whoever records must tell." in page.text
    for refused in (await yurii.get("/company/recordings"), await yurii.post("/company/recordings")):
        assert refused.status == 403
    answer = await _choose(admin, calls="by-number", keep_days="30", did=str(chosen), phone=str(company.phone_101))
    assert answer.status == 303
    rule = directory.current.recording
    assert (rule.calls, rule.dids, rule.phones) == (
        RecordedCalls.BY_NUMBER,
        frozenset({"+380441234567"}),
        frozenset({"PJSIP/101"}),
    )
    assert (await _choose(admin, calls="all")).status == 409
    assert (await _choose(admin, version=2, calls="all", keep_days="0")).status == 422
    assert (await _choose(admin, version=2, calls="by-number", did="999")).status == 422
    assert (await _choose(admin, version=2, calls="all")).status == 303
    assert directory.current.recording.records_every_outgoing
    async with database.read() as session:
        _version, saved = await recordings.choice(session)
        assert not await session.scalar(select(Extension.id).where(Extension.recorded))
    assert (saved.keep_days, saved.did_ids) == (90, frozenset())


async def test_chromium_plays_and_seeks(chromium: str, address: str, recording: str, call: int) -> None:
    async with window(chromium, address) as browser:
        await browser.sign_in("admin")
        await browser.goto(f"/calls/{call}")
        place = await browser.page.evaluate(
            """async () => {
                const audio = document.querySelector("audio");
                const told = (name) => new Promise((resolve, reject) => {
                    audio.addEventListener(name, resolve, {once: true});
                    audio.addEventListener("error", () => reject(new Error(audio.error.message)), {once: true});
                });
                const ready = told("loadedmetadata");
                audio.load();
                audio.preload = "auto";
                await ready;
                audio.muted = true;
                await audio.play();
                const sought = told("seeked");
                audio.currentTime = 3;
                await sought;
                const ended = told("ended");
                await audio.play();
                await ended;
                return [audio.duration, audio.seekable.end(0), audio.currentTime];
            }"""
        )
        assert place == pytest.approx([4, 4, 4], abs=0.05)
        assert browser.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_pages_with_recordings_fit_every_screen(
    chromium: str, address: str, recording: str, call: int, scheme: str
) -> None:
    for width in (1440, 390):
        async with window(chromium, address, width, scheme) as browser:
            await browser.sign_in("admin")
            for path in (f"/calls/{call}", "/live", "/company/recordings"):
                await browser.goto(path)
                assert not await browser.scrolls_sideways()
            assert browser.complaints == []
