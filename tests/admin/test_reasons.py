"""Why a call went where it went, said in each reader's language; what earlier versions kept stays readable (C5)."""

from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update

from leads.admin.i18n import Locale, load_catalogs
from leads.admin.reasons import _NAMED, _NAMELESS, _ROLES, _SENTENCES, tell, tell_kept
from leads.domain.reasons import ChainRole, Reason, ReasonCode, kept_reason, read_reason
from leads.store.engine import Database
from leads.store.models import Employee, RoutingDecision
from tests.admin.calls import add_call
from tests.admin.conftest import Clock, Company, Visitor

LEAD = {"kind": "lead", "name": "Ольга", "closed": False}
RESPONSIBLE = Reason(
    ReasonCode.EMPLOYEE_RINGS, {"role": "responsible", "employee": "Юрій", "phones": ["101", "102"], "seconds": 15}
)
KNOWN = Reason(ReasonCode.CALLER_KNOWN, {"number": "+380501234567", "people": [LEAD]})


@pytest.fixture
def in_ukrainian(speaking: Callable[[Locale], None]) -> None:
    speaking(Locale("uk", load_catalogs()["uk"], ZoneInfo("Europe/Kyiv"), datetime.now(UTC)))


def test_every_code_and_role_has_its_sentence() -> None:
    assert set(_SENTENCES) == set(ReasonCode)
    assert set(_ROLES) == set(ChainRole)
    assert set(_NAMED) == set(_NAMELESS)


def test_a_reason_is_told_with_its_arguments() -> None:
    assert tell(RESPONSIBLE) == "Юрій is responsible. Rings for 15 s: 101, 102."
    assert tell(KNOWN) == "+380501234567 is the lead Ольга."
    nobody = {"kind": "lead", "name": None, "closed": True}
    assert tell(KNOWN._replace(args={"number": "1", "people": [nobody]})) == "1 is a closed lead without a name."


@pytest.mark.usefixtures("in_ukrainian")
def test_the_reader_s_language_decides_not_the_call_s() -> None:
    assert tell(RESPONSIBLE) == "Відповідальний: Юрій. Дзвонить 15 с: 101, 102."
    assert tell(KNOWN) == "+380501234567 — це лід Ольга."


def test_what_other_versions_kept_is_a_text() -> None:
    assert tell_kept("Oleh is responsible: phone 101.") == "Oleh is responsible: phone 101."
    assert tell_kept({"code": "not-made-yet", "x": 1}) == "not-made-yet"
    assert tell_kept(["x"]) == "['x']"
    assert read_reason(kept_reason(RESPONSIBLE)) == RESPONSIBLE


async def test_a_call_s_page_tells_codes_and_old_sentences(
    admin: Visitor, company: Company, database: Database, clock: Clock
) -> None:
    call_id = await add_call(database, clock, "1.1")
    reasons = [kept_reason(KNOWN), kept_reason(RESPONSIBLE), "Then <the> group."]
    decision = {"reasons": reasons, "name": "Ольга", "steps": []}
    async with database.write() as session:
        session.add(RoutingDecision(pbx="asterisk", linkedid="1.1", decided_at=clock(), decision=decision))
        await session.execute(update(Employee).where(Employee.id == company.admin).values(language="ru"))
    page = (await admin.get(f"/calls/{call_id}")).text
    for words in ("Ответственный: Юрій. Звонит 15 с: 101, 102.", "лид Ольга", "Then &lt;the&gt; group."):
        assert words in page
