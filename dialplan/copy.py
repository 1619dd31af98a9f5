"""What Asterisk's own database holds so that it routes and names callers as we would, without us (C8, C9).

    leadline-number/+380501234567   7-9|Olena Petrenko~u20~Олена Петренко    responsible, last talker; dialplan.forms
    leadline-number/501234567       as +380501234567                         see dialplan.number_rules
    leadline-employee/7             P,20,0PJSIP/101,*,                       the step that rings him, while at work
    leadline-employee/7s            P,20,0PJSIP/104,*,                       the step that rings his substitute
    leadline-did/380441234567       L1||P,25,0PJSIP/102!0PJSIP/103,*,        the way of unknown callers to our number
    leadline-phone/101              u20~Yurii Koval                          see dialplan.forms
    leadline-record/outgoing        none                                     see dialplan.recording
    leadline-company/plan           L1||P,30,0PJSIP/101,*,                   the way of calls to any other number
    leadline-company/numbers        00,+!0,+380!,+380!,+                     see dialplan.number_rules

The dialplan puts a known caller's way together of his own people's steps and the dialled number's: so a change of one
card, phone or number changes one entry. His people are the responsible, who talked last, and the substitute of the
first of these, each once. Where the last of them and the dialled number's way ring the very same phones, these ring
once, for the time of both.
"""

from collections.abc import Mapping

from dialplan.defaults import default_plans
from dialplan.forms import encode_names, phone_entries
from dialplan.number_rules import aliases, encode_rules, number_rules
from dialplan.plan import MARK, encode_kept_plan
from dialplan.recording import outgoing_entries
from dialplan.words import (
    COMPANY_FAMILY,
    COMPANY_PLAN,
    COMPANY_RULES,
    DID_FAMILY,
    EMPLOYEE_FAMILY,
    PHONE_FAMILY,
    RECORD_FAMILY,
)
from leads.domain.directory import Directory
from leads.domain.displays import Displays, displays_of
from leads.domain.duty import NOBODY_ABSENT, Absence, substitutes
from leads.domain.people import Person
from leads.domain.reasons import ChainRole
from routing.chain import Chain
from routing.decide import caller_facts
from routing.decision import Decision

SUBSTITUTE_OF = "s"
"""After an employee's key: the entry of who stands in for him."""


class CompanyEntries:
    """The entries of a company at one version.

    Attributes:
        small: by family, all entries but those of outside numbers.
        displays: which forms of a name its phones need.
    """

    def __init__(
        self,
        directory: Directory,
        *,
        region: str,
        default_extension: str | None,
        name_language: str | None,
        absent: Mapping[int, Absence] = NOBODY_ABSENT.of,
    ) -> None:
        """Write the entries; see routing.decide for the arguments."""
        plans = default_plans(directory, region=region, default_extension=default_extension, absent=absent)
        self.displays: Displays = displays_of(directory.extensions.values())
        self.small: Mapping[str, Mapping[str, str]] = {
            DID_FAMILY: plans.by_digits,
            EMPLOYEE_FAMILY: _employees(directory, absent),
            PHONE_FAMILY: phone_entries(directory, self.displays, name_language),
            RECORD_FAMILY: outgoing_entries(directory.recording),
            COMPANY_FAMILY: {COMPANY_PLAN: plans.fallback, COMPANY_RULES: encode_rules(number_rules(region))},
        }
        self._region = region
        self._name_language = name_language

    def number(self, e164: str, people: tuple[Person, ...]) -> dict[str, str]:
        """The entries of an outside number and its owners; none where nobody has it."""
        if not people:
            return {}
        facts = caller_facts(people, self._name_language)
        names = encode_names(facts.name, facts.language, self.displays)
        own = dict.fromkeys(one for one in (facts.responsible_id, facts.last_talker_id) if one is not None)
        return {e164: f"{'-'.join(map(str, own)) or '-'}|{names}", **aliases(e164, self._region)}

    def number_keys(self, e164: str) -> set[str]:
        """The keys of all entries that a number may have."""
        return {e164, *aliases(e164, self._region)}

    def number_state(self) -> tuple[object, ...]:
        """What else the numbers' entries depend on: when it changes, all of them may."""
        return self.displays, self._region, self._name_language


def _employees(directory: Directory, absent: Mapping[int, Absence]) -> dict[str, str]:
    own = {key: step for key in directory.employees if (step := _step(directory, absent, key))}
    entries = {str(key): step for key, step in own.items()}
    for key in directory.employees:
        if stands_in := next((one for one in substitutes(directory, key) if one in own), None):
            entries[f"{key}{SUBSTITUTE_OF}"] = own[stands_in]
    return entries


def _step(directory: Directory, absent: Mapping[int, Absence], employee_id: int) -> str:
    """The step that rings an employee; empty where nothing is to ring."""
    chain = Chain(directory, absent)
    chain.ring_employee(employee_id, ChainRole.RESPONSIBLE)
    steps, _reasons = chain.end()
    return encode_kept_plan(Decision(None, None, None, None, steps, ())).removeprefix(MARK).strip("|")
