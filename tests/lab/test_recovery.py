"""Calls made while Leadline was killed are on record once, marked, with their leads, and the outage is noted (C3)."""

from pathlib import Path

import pytest

from leadline.demo.scenarios import Behaviour
from tests.lab.conftest import Call, LeadlineServer, Pbx, Phones, running_server

BEFORE, STRANGER, SHCHERBAN, OTHER = "+380501234567", "+380501234568", "+380501112233", "+380671234569"
MAIN = "0441234567"
RINGS_ON = Behaviour(status=None)


def restart(server: LeadlineServer) -> None:
    server.process.start()
    server.process.await_health()


def test_calls_made_while_the_server_was_killed_are_recovered_once(
    asterisk: Pbx, filled_database: Path, tmp_path: Path, phones: Phones, call: Call
) -> None:
    with running_server(asterisk, filled_database, tmp_path) as server:
        phones("103", Behaviour(ring_seconds=0.3))
        before = call(BEFORE, MAIN, talk_seconds=0.5).wait_one()
        server.await_ended_calls(1)
        cut_off = call(OTHER, MAIN, talk_seconds=2)
        cut_off.await_answer()
        server.process.kill()

        over = cut_off.wait_one()
        answered = call(STRANGER, MAIN, talk_seconds=1.0).wait_one()
        phones("103", RINGS_ON)
        gave_up = call(SHCHERBAN, MAIN, patience_seconds=1.0).wait_one()
        asterisk.await_idle()
        restart(server)

        server.await_rows("SELECT id FROM call WHERE recovered", count=3, seconds=30)
        rows = {row["outside_number"]: row for row in server.rows("SELECT * FROM call")}
        assert len(server.rows("SELECT id FROM call")) == len(rows) == 4
        assert [(number, row["result"], row["recovered"], row["incomplete"]) for number, row in rows.items()] == [
            (BEFORE, "answered", 0, 0),
            (OTHER, "answered", 1, 0),
            (STRANGER, "answered", 1, 0),
            (SHCHERBAN, "cancelled", 1, 0),
        ]
        for number, outcome in ((BEFORE, before), (STRANGER, answered), (OTHER, over)):
            assert outcome.ended_at is not None
            assert outcome.answered_at is not None
            talked = (outcome.ended_at - outcome.answered_at).total_seconds()
            assert rows[number]["talk_seconds"] == pytest.approx(talked, abs=0.5)
        assert gave_up.status == 487
        leads = server.rows("SELECT main_number FROM lead WHERE main_number IN (?, ?)", STRANGER, OTHER)
        assert sorted(lead["main_number"] for lead in leads) == [STRANGER, OTHER]
        (outage,) = server.await_rows("SELECT kind, started_at, ended_at FROM outage WHERE kind = 'leadline'")
        assert outage["started_at"] < rows[STRANGER]["started_at"] < outage["ended_at"]
