"""Asterisk is killed in the midst of a call: it is on record once, marked, ended with the last that was said (C3)."""

from datetime import UTC, datetime

import pytest

from leadline.demo.scenarios import Behaviour
from leads.domain.calls import Phase
from tests.lab.conftest import Call, LeadlineServer, Pbx, Phones

STRANGER, MAIN = "+380501234571", "0441234567"
ENDED = "SELECT * FROM call WHERE ended_at IS NOT NULL"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize("heard", [True, False], ids=["heard from its beginning", "begun while the server was down"])
def test_a_call_ends_with_the_last_that_asterisk_said(
    asterisk: Pbx, leadline_server: LeadlineServer, phones: Phones, call: Call, heard: bool
) -> None:
    server = leadline_server
    phones("103", Behaviour(ring_seconds=0.3))
    if not heard:
        server.process.kill()
    answered = call(STRANGER, MAIN, talk_seconds=60).await_answer()
    assert answered.answered_at
    if not heard:
        server.process.start()
        server.process.await_health()
    server.await_rows("SELECT id FROM call WHERE answered_at IS NOT NULL AND ended_at IS NULL", seconds=30)

    asterisk.instance.kill()
    killed_at = datetime.now(UTC)
    asterisk.instance.start()
    server.await_rows(f"{ENDED} AND recovered" if not heard else ENDED, seconds=60)

    (row,) = server.rows("SELECT * FROM call")
    assert (row["result"], row["phase"], row["incomplete"]) == ("answered", Phase.ENDED, 1)
    assert answered.answered_at.timestamp() - 1 <= _time(row["ended_at"]).timestamp() <= killed_at.timestamp()
    assert len(server.rows("SELECT id FROM lead WHERE main_number = ?", STRANGER)) == 1
