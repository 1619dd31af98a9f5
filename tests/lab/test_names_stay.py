"""Whoever comes to talk with whom, the display shows the right person in the phone's own form (C6, C7).

Phone 101 draws 24 Latin letters, 102 UTF-8, 103 eight Latin letters; where a test says so, 103 shows no names. What a
display shows is the last identity that the phone received. Real Asterisk, real server, phones that are played by hand.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dialplan.words import PHONE_FAMILY
from leadline.demo.sipp import await_value
from tests.lab.conftest import LeadlineServer, Pbx, running_server
from tests.lab.handed_over import await_handed_over
from tests.lab.softphone import Dialog, Softphone

pytestmark = pytest.mark.lab

CALLER, MAIN, DIRECT = "+380501112233", "0441234567", "0442223344"
"""Юрій Щербань, whom Андрій Бондар at 102 is responsible for; and two of our numbers."""
LATIN, UTF8, SHORT = "Yurii Shcherban", "Юрій Щербань", "Yurii Sh"
OLENA, ANDRIY, MARIIA = "Олена Коваль", "Андрій Бондар", "Марія Ткач"


@dataclass
class Company:
    """The phones of the company, and the trunk: the end of a caller, or of whom a phone calls outside."""

    pbx: Pbx
    server: LeadlineServer
    phones: dict[str, Softphone] = field(default_factory=dict)
    rung: dict[str, int] = field(default_factory=dict)

    def phone(self, number: str) -> Softphone:
        """A phone, which signs in when it is first asked for."""
        if number not in self.phones:
            self.phones[number] = Softphone(number, self.pbx.values.phone_secrets[number], self.pbx.sip)
            self.pbx.await_phone(number)
        return self.phones[number]

    def network(self) -> Softphone:
        if "network" not in self.phones:
            self.phones["network"] = Softphone(CALLER, None, self.pbx.sip, self.pbx.values.trunk_port)
        return self.phones["network"]

    def rings(self, number: str) -> Dialog:
        """Wait until the phone rings once more than so far."""
        phone = self.network() if number == "network" else self.phone(number)
        self.rung[number] = self.rung.get(number, 0) + 1
        return phone.await_call(self.rung[number])

    def inbound(self, to: str = MAIN) -> tuple[Dialog, Dialog]:
        """Юрій calls; 102 rings."""
        self.phone("102")
        outside = self.network().call(to, name="KYIV CITY")
        return outside, self.rings("102")

    def talking(self) -> tuple[Dialog, Dialog]:
        """Юрій talks with Андрій at 102."""
        outside, ringing = self.inbound()
        ringing.answer()
        outside.await_answer()
        self.await_conversations()
        return outside, ringing

    def await_conversations(self) -> None:
        """Wait until Asterisk has brought all together who have answered: before, nobody can be transferred."""

        def all_talk() -> bool:
            channels = self.pbx.instance.channel_rows()
            return bool(channels) and all(row[4] == "Up" and row[-2] for row in channels)

        await_value(lambda: all_talk() or None, 20, "the conversation in Asterisk")

    def hang_up(self) -> None:
        for phone in self.phones.values():
            for dialog in phone.dialogs:
                dialog.hang_up()
        self.pbx.await_idle()


@pytest.fixture(scope="module")
def server(asterisk: Pbx, filled_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LeadlineServer]:
    folder = tmp_path_factory.mktemp("names")
    with running_server(asterisk, filled_database, folder) as server, display(server, asterisk, "latin", 8):
        yield server


@contextmanager
def display(server: LeadlineServer, pbx: Pbx, mode: str, length: int = 24, phone: str = "103") -> Iterator[None]:
    """Another display at a phone, and Asterisk knows of it."""
    (before,) = server.rows("SELECT display_mode, display_length FROM extension WHERE number = ?", phone)
    try:
        _set_display(server, pbx, phone, mode, length)
        yield
    finally:
        _set_display(server, pbx, phone, before["display_mode"], before["display_length"])


@contextmanager
def named(server: LeadlineServer, lead: str, name: str) -> Iterator[None]:
    """Another name of a lead, which no other test sees."""
    server.execute("UPDATE lead SET name = ? WHERE name = ?", name, lead)
    try:
        yield
    finally:
        server.execute("UPDATE lead SET name = ? WHERE name = ?", lead, name)


def _set_display(server: LeadlineServer, pbx: Pbx, phone: str, mode: str, length: int) -> None:
    server.execute("UPDATE extension SET display_mode = ?, display_length = ? WHERE number = ?", mode, length, phone)
    kind = "o" if mode == "off" else f"{mode[0]}{length}"
    await_value(
        lambda: pbx.instance.cli(f"database get {PHONE_FAMILY} {phone}").startswith(f"Value: {kind}~") or None,
        10,
        "the display's kind in Asterisk",
    )


@pytest.fixture
def company(asterisk: Pbx, server: LeadlineServer) -> Iterator[Company]:
    company = Company(asterisk, server)
    yield company
    try:
        company.hang_up()
        network = company.phones.get("network")
        if network is not None:
            assert_nothing_of_ours_went_out(network)
    finally:
        for phone in company.phones.values():
            phone.close()


def ended(one: Dialog, other: Dialog) -> None:
    """One hangs up; after that the other's display is told nothing more."""
    one.hang_up()
    other.await_end()


def assert_nothing_of_ours_went_out(network: Softphone) -> None:
    """Parties outside learn neither names that we know nor numbers of phones."""
    for message in network.received:
        for name in ("P-Asserted-Identity", "Remote-Party-ID", "Diversion", "History-Info", "Referred-By"):
            assert not message.header(name), message
        if message.method is not None:
            ours = f"{message.header('From')} {message.header('Contact')}"
            assert not any(word in ours for word in ("sip:10", "Shcherban", UTF8, "Bondar", ANDRIY, "Koval")), message


def test_the_name_stays_after_the_answer(company: Company) -> None:
    outside, ringing = company.talking()
    ended(outside, ringing)
    assert {shown.name for shown in ringing.shown} == {UTF8}


@pytest.mark.parametrize("how", ["keys", "refer"])
@pytest.mark.parametrize(("to", "form"), [("101", LATIN), ("103", SHORT)])
def test_blind_transfer(company: Company, how: str, to: str, form: str) -> None:
    company.phone(to)
    outside, first = company.talking()
    first.keys(f"##{to}") if how == "keys" else first.refer(to)
    second = company.rings(to)
    assert second.display == (form, CALLER)
    second.answer()
    first.hang_up()
    ended(outside, second)
    assert second.display == (form, CALLER)


def test_a_phone_without_names_shows_none_after_a_transfer_either(company: Company) -> None:
    with display(company.server, company.pbx, "off"):
        company.phone("103")
        outside, first = company.talking()
        consulting = first.phone.call("103")
        second = company.rings("103")
        assert second.display == (None, "102")
        second.answer()
        company.await_conversations()
        first.refer("103", replaces=consulting)
        second.await_display(None, CALLER)
        assert not any(shown.name for shown in second.shown)
        outside.hang_up()


@pytest.mark.parametrize("semi", [False, True], ids=["attended", "semi-attended"])
@pytest.mark.parametrize(("to", "colleague", "form"), [("101", "Andrii Bondar", LATIN), ("103", "Andrii B", SHORT)])
def test_attended_transfer_by_keys(company: Company, semi: bool, to: str, colleague: str, form: str) -> None:
    company.phone(to)
    _outside, first = company.talking()
    first.keys(f"*2{to}")
    second = company.rings(to)
    assert second.display == (colleague, "102")
    if semi:
        first.hang_up()
        await_handed_over(company.pbx.instance, "102", CALLER)
        second.answer()
    else:
        second.answer()
        first.await_display(OLENA if to == "101" else MARIIA, to)
        company.await_conversations()  # see handed_over: not in the instant of the answer
        first.hang_up()
    second.await_display(form, CALLER)
    company.await_conversations()


@pytest.mark.parametrize("semi", [False, True], ids=["attended", "semi-attended"])
@pytest.mark.parametrize(("to", "colleague", "form"), [("101", "Andrii Bondar", LATIN), ("103", "Andrii B", SHORT)])
def test_attended_transfer_by_refer(company: Company, semi: bool, to: str, colleague: str, form: str) -> None:
    company.phone(to)
    _outside, first = company.talking()
    consulting = first.phone.call(to)
    second = company.rings(to)
    assert second.display == (colleague, "102")
    consulting.await_display(OLENA if to == "101" else MARIIA, to)
    if not semi:
        second.answer()
        company.await_conversations()
    first.refer(to, replaces=consulting)
    if semi:
        second.answer()
    second.await_display(form, CALLER)


def test_a_name_of_eighty_letters_goes_through_a_transfer(company: Company) -> None:
    """It is as long as names on displays are, in three forms; Asterisk's messages have room for them."""
    long = "Щ" * 80
    outside = company.phones["outside"] = Softphone("+380672223344", None, company.pbx.sip)
    for number in ("101", "102", "103"):
        company.phone(number)
    with named(company.server, "Ольга Мельниченко", long), display(company.server, company.pbx, "utf8", 80, "102"):
        outside.call(MAIN)
        first = company.rings("101")
        assert first.display == ("SHCH" * 6, outside.user)
        first.answer()
        for to, form in (("102", long), ("103", "SHCHSHCH"), ("101", "SHCH" * 6)):
            company.await_conversations()
            consulting = first.phone.call(to)
            second = company.rings(to)
            second.answer()
            company.await_conversations()
            first.refer(to, replaces=consulting)
            second.await_display(form, outside.user)
            first = second


def test_who_takes_the_call_back_sees_the_caller_again(company: Company) -> None:
    """The colleague hangs up in the consultation."""
    company.phone("101")
    _outside, first = company.talking()
    first.keys("*2101")
    second = company.rings("101")
    second.answer()
    first.await_display(OLENA, "101")
    company.await_conversations()
    second.hang_up()
    first.await_display(UTF8, CALLER)


@pytest.mark.parametrize(("by", "form"), [("101", LATIN), ("103", SHORT)])
@pytest.mark.parametrize("directed", [True, False], ids=["directed", "group"])
def test_pickup(company: Company, by: str, form: str, directed: bool) -> None:
    taker = company.phone(by)
    company.inbound()
    taken = taker.call("*8102" if directed else "*8")
    taken.await_answer()
    taken.await_display(form, CALLER)
    company.await_conversations()  # the display tells it before; who hangs up meanwhile has not taken the call


@pytest.mark.parametrize(("to", "form"), [("101", LATIN), ("103", SHORT)])
def test_forwarding_by_the_phone(company: Company, to: str, form: str) -> None:
    company.phone(to)
    outside, first = company.inbound()
    first.refuse(302, contact=f"sip:{to}@127.0.0.1")
    second = company.rings(to)
    assert second.display == (form, CALLER)
    second.answer()
    outside.await_answer()
    ended(outside, second)
    assert second.display == (form, CALLER)


def test_forwarding_to_a_number_outside_tells_nobody_our_names(company: Company) -> None:
    outside, first = company.inbound()
    first.refuse(302, contact="sip:0671112233@127.0.0.1")
    away = company.rings("network")
    away.answer()
    outside.await_answer()
    assert away.display[0] is None


def test_park_and_retrieve(company: Company) -> None:
    taker = company.phone("101")
    _outside, first = company.talking()
    first.refer("70")
    await_value(lambda: "71" in company.pbx.instance.cli("parking show default").split() or None, 20, "a parked call")
    taken = taker.call("71")
    taken.await_display(LATIN, CALLER)
    company.await_conversations()


def test_colleagues_see_each_other(company: Company) -> None:
    company.phone("101")
    calling = company.phone("102").call("101")
    called = company.rings("101")
    assert called.display == ("Andrii Bondar", "102")
    calling.await_display(OLENA, "101")
    called.answer()
    calling.await_answer()
    ended(called, calling)
    assert calling.display == (OLENA, "101")
    assert called.display == ("Andrii Bondar", "102")


def test_a_colleague_who_forwards_his_phone_is_not_who_answers(company: Company) -> None:
    company.phone("101")
    company.phone("103")
    calling = company.phone("102").call("101")
    company.rings("101").refuse(302, contact="sip:103@127.0.0.1")
    called = company.rings("103")
    assert called.display == ("Andrii B", "102")
    called.answer()
    calling.await_answer()
    calling.await_display(MARIIA, "103")


@pytest.mark.parametrize(("phone", "form"), [("101", LATIN), ("102", UTF8), ("103", SHORT)])
@pytest.mark.parametrize("dialled", [CALLER, "0501112233"])
def test_an_outgoing_call_shows_who_is_called(company: Company, phone: str, form: str, dialled: str) -> None:
    company.network()
    calling = company.phone(phone).call(dialled)
    outside = company.rings("network")
    assert outside.display[0] is None
    calling.await_status(180)
    assert calling.display == (form, dialled)
    outside.answer('P-Asserted-Identity: "Network\'s name" <sip:380999999999@127.0.0.1>\r\n')
    calling.await_answer()
    ended(outside, calling)
    assert calling.display == (form, dialled)


def test_an_outgoing_call_to_a_stranger_shows_the_number(company: Company) -> None:
    company.network()
    calling = company.phone("102").call("0672342345")
    company.rings("network").answer()
    calling.await_answer()
    assert calling.display == (None, "0672342345")


@pytest.mark.parametrize("attended", [False, True])
def test_an_outgoing_call_is_handed_on_with_its_name(company: Company, attended: bool) -> None:
    company.network()
    company.phone("103")
    calling = company.phone("102").call("0501112233")
    company.rings("network").answer()
    calling.await_answer()
    company.await_conversations()
    if attended:
        consulting = calling.phone.call("103")
        taker = company.rings("103")
        taker.answer()
        company.await_conversations()
        calling.refer("103", replaces=consulting)
    else:
        calling.refer("103")
        taker = company.rings("103")
        taker.answer()
    taker.await_display(SHORT, "0501112233")


def test_consulting_somebody_outside_shows_his_name(company: Company) -> None:
    _outside, first = company.talking()
    first.keys("*20672223344")
    company.rings("network").answer()
    first.await_display("Ольга Мельниченко", "0672223344")
    company.await_conversations()  # its display told while it rang, and all hang up now; see handed_over
