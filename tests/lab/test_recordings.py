"""Recordings on real Asterisk: as long as the outside party's conversation as its own end tells it (C12)."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dialplan.plan import NOTHING
from dialplan.words import OUTGOING_KEY, PHONE_KEY, RECORD_FAMILY
from leadline.demo.sipp import await_value
from leadline.demo.voice import Voice
from tests.lab.handed_over import await_together
from tests.lab.recorded import await_written, recordings_in
from tests.lab.stage.ends import Caller, Interval, Phone, Ringing
from tests.lab.stage.stage import Scene, Stage

TOLERANCE = 1.0
"""Seconds that a recording and the conversation may differ by."""
HEADER = 44


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("recordings")) as stage:
        yield stage


@pytest.fixture
def scene(stage: Stage, request: pytest.FixtureRequest) -> Iterator[Scene]:
    scene = stage.scene(request.node.name)
    yield scene
    scene.close()
    stage.asterisk.cli(f"database deltree {RECORD_FAMILY}")
    try:
        await_value(lambda: not stage.asterisk.channels() or None, 10, "the last channel's end")
    finally:
        stage.asterisk.cli("channel request hangup all")


class Files:
    """What is in the folder of recordings since the test began."""

    def __init__(self, stage: Stage) -> None:
        self._asterisk = stage.asterisk
        self.folder = stage.asterisk.folder / "spool" / "monitor" / "leadline"
        self._before = recordings_in(self.folder)

    def new(self) -> list[Path]:
        return sorted(recordings_in(self.folder) - self._before)

    def seconds(self) -> list[float]:
        """How long each is, once Asterisk writes to none of them."""
        await_written(self._asterisk)
        return [(path.stat().st_size - HEADER) / 16000 for path in self.new()]


@pytest.fixture
def files(stage: Stage, scene: Scene) -> Files:
    return Files(stage)


def seconds(heard: Interval) -> float:
    return (heard.end - heard.start).total_seconds()


def record_outgoing(stage: Stage, key: str, value: str) -> None:
    stage.asterisk.cli(f"database put {RECORD_FAMILY} {key} {value}")


def rings(scene: Scene, phone: Phone, *, record: bool = True) -> None:
    """Where a call to our number goes, with the mark in its plan that it is to be recorded."""
    scene.rings([phone])
    plans = scene.stage.agi.answers
    if record:
        plans[scene.did] = plans[scene.did].replace(NOTHING, f"{NOTHING}R,,,,|", 1)


def answered(scene: Scene, *phones: Phone, record: bool = True) -> tuple[Caller, Ringing]:
    """A call from outside that the first of `phones` answered."""
    rings(scene, phones[0], record=record)
    caller = scene.call_in()
    talk = phones[0].await_call().answer()
    return caller.await_answer(), talk


def assert_lasts(files: Files, *talks: Caller | Ringing) -> None:
    """One recording for each outside end, as long as its conversation."""
    assert files.seconds() == pytest.approx([seconds(talk.heard()) for talk in talks], abs=TOLERANCE)


def talk_for(wanted: float) -> None:
    """Let time pass in a conversation; what is measured is its length, so there is no event to wait for."""
    time.sleep(wanted)


def test_an_inbound_call_is_recorded_from_its_answer_to_its_end(scene: Scene, files: Files) -> None:
    (phone,) = scene.phones(1)
    rings(scene, phone)
    caller = scene.call_in().await_ringing()
    talk_for(1.5)
    phone.await_call().answer()
    with Voice(caller.await_answer().messages()):
        talk_for(2)
        caller.bye()
    assert_lasts(files, caller)
    (path,) = files.new()
    day, call, name = path.relative_to(files.folder).parts
    assert (len(day), name) == (10, f"{call}.wav")
    assert path.read_bytes()[:4] == b"RIFF"


def test_a_call_that_is_not_to_be_recorded_is_not(scene: Scene, files: Files) -> None:
    caller, _talk = answered(scene, *scene.phones(1), record=False)
    with Voice(caller.messages()):
        caller.bye()
    assert files.new() == []


def test_a_blind_transfer_does_not_end_it(scene: Scene, files: Files) -> None:
    first, second = scene.phones(2)
    caller, talk = answered(scene, first)
    with Voice(caller.messages()):
        talk_for(1)
        talk.refer(second.user)
        ringing = second.await_call()
        talk_for(1.5)
        ringing.answer()
        talk_for(1)
        caller.bye()
    assert_lasts(files, caller)


def test_an_attended_transfer_does_not_end_it(scene: Scene, files: Files) -> None:
    first, second = scene.phones(2)
    caller, talk = answered(scene, first)
    with Voice(caller.messages()):
        talk.hold()
        asking = scene.call_from(first, second.user)
        second.await_call().answer()
        asking.await_answer()
        await_together(scene.stage.asterisk, first.user, second.user)
        talk_for(1)
        talk.refer(second.user, replaces=asking)
        talk.await_over()
        talk_for(1.5)
        caller.bye()
    assert_lasts(files, caller)


def test_a_transfer_by_keys_does_not_end_it(scene: Scene, files: Files) -> None:
    first, second = scene.phones(2)
    caller, talk = answered(scene, first)
    with Voice(caller.messages()):
        talk.dtmf(f"*2{second.user}")
        second.await_call().answer()
        await_together(scene.stage.asterisk, first.user, second.user)
        talk_for(1)
        talk.bye()
        talk_for(1.5)
        caller.bye()
    assert_lasts(files, caller)


@pytest.mark.parametrize("story", ["stays", "blind", "attended"])
def test_an_outgoing_call_is_recorded_on_the_line_that_was_dialled(scene: Scene, files: Files, story: str) -> None:
    first, second = scene.phones(2)
    record_outgoing(scene.stage, OUTGOING_KEY, "all")
    caller = scene.call_from(first, scene.outside)
    line = scene.line()
    talk_for(1.5)
    line.answer()
    caller.await_answer()
    with Voice(line.messages()):
        talk_for(1)
        if story == "blind":
            caller.refer(second.user)
            second.await_call().answer()
        elif story == "attended":
            asking = scene.call_from(first, second.user)
            second.await_call().answer()
            await_together(scene.stage.asterisk, first.user, second.user)
            caller.refer(second.user, replaces=asking.await_answer())
            caller.await_over()
        talk_for(1.5)
        line.bye()
    assert_lasts(files, line)


def test_outgoing_calls_of_chosen_phones_only(scene: Scene, files: Files) -> None:
    chosen, other = scene.phones(2)
    record_outgoing(scene.stage, OUTGOING_KEY, "some")
    record_outgoing(scene.stage, f"{PHONE_KEY}{chosen.user}", "all")
    for phone, number in ((other, scene.outside), (chosen, scene.second_outside)):
        caller = scene.call_from(phone, number)
        line = scene.line(number).answer()
        caller.await_answer()
        with Voice(line.messages()):
            talk_for(0.5)
            caller.bye()
            line.await_over()
    assert len(files.new()) == 1


def test_nobody_of_an_unanswered_outgoing_call_is_recorded(scene: Scene, files: Files) -> None:
    (phone,) = scene.phones(1)
    record_outgoing(scene.stage, OUTGOING_KEY, "all")
    caller = scene.call_from(phone, scene.outside)
    scene.line().refuse(486)
    assert caller.await_refusal() == 486
    assert files.new() == []


def test_an_employee_pauses_and_resumes_by_keys_and_a_caller_cannot(scene: Scene, files: Files) -> None:
    caller, talk = answered(scene, *scene.phones(1))
    with Voice(caller.messages()):
        talk_for(1)
        caller.dtmf("*41")
        talk_for(1)
        talk.dtmf("*41")
        before = files.seconds()
        talk_for(2)
        assert files.seconds() == before
        talk.dtmf("*42")
        talk_for(1)
        caller.bye()
    (kept,) = files.seconds()
    assert before[0] > 1.5, "the caller's keys did not pause it"
    assert before[0] < kept < seconds(caller.heard()) - TOLERANCE


def test_a_colleague_who_calls_out_pauses_too(scene: Scene, files: Files) -> None:
    (phone,) = scene.phones(1)
    record_outgoing(scene.stage, OUTGOING_KEY, "all")
    caller = scene.call_from(phone, scene.outside)
    line = scene.line().answer()
    caller.await_answer()
    with Voice(line.messages()):
        await_value(lambda: files.new() or None, 20, "the recording")
        caller.dtmf("*41")
        before = files.seconds()
        talk_for(1)
        assert files.seconds() == before
        line.bye()


def test_where_asterisk_cannot_record_a_call_goes_on(scene: Scene, files: Files) -> None:
    cli = scene.stage.asterisk.cli
    cli("module unload app_mixmonitor.so")
    try:
        caller, _talk = answered(scene, *scene.phones(1))
        caller.bye()
    finally:
        cli("module load app_mixmonitor.so")
    assert files.new() == []
