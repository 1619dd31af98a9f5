"""What Asterisk does with each of our numbers while Leadline cannot be asked: prepared plans, kept on its side (C8).

They go into AstDB by way of AMI, where the control account exists, or into leadline-defaults.conf, where it does not.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat

from dialplan.plan import encode_kept_plan
from dialplan.recording import outgoing_global
from dialplan.words import DID_PLAN, FALLBACK_PLAN, PHONE_DISPLAY, RECORD_OUTGOING
from leads.domain.directory import Did, Directory
from leads.domain.duty import NOBODY_ABSENT, Absence
from leads.domain.numbers import Number, NumberKind
from routing.decide import decide


@dataclass(frozen=True, slots=True)
class DefaultPlans:
    """A plan for each way in which a trunk may write one of our numbers (digits only), and one for all other calls.

    `record_outgoing`: whose calls to the outside are recorded, see dialplan.recording.
    """

    by_digits: Mapping[str, str]
    fallback: str
    record_outgoing: str


def default_plans(
    directory: Directory,
    *,
    region: str,
    default_extension: str | None,
    absent: Mapping[int, Absence] = NOBODY_ABSENT.of,
) -> DefaultPlans:
    """Plan the call of an unknown caller to each of our numbers.

    Args:
        directory: the company as it is now.
        region: whose national form of our numbers a trunk may use, ISO 3166 alpha-2.
        default_extension: who is rung when the dialled number names nobody.
        absent: who takes no calls now; nobody, where the plans are kept for longer than that is true.
    """

    def plan(did: Did | None) -> str:
        number = did.number if did else None
        unknown = Number(NumberKind.HIDDEN, "")
        return encode_kept_plan(
            decide(unknown, (), did, number, directory, default_extension=default_extension, absent=absent)
        )

    return DefaultPlans(
        by_digits={
            digits: plan(did) for did in directory.dids.values() for digits in written_forms(did.number, region)
        },
        fallback=plan(None),
        record_outgoing=outgoing_global(directory.recording),
    )


def render_defaults(plans: DefaultPlans, phones: Mapping[str, str]) -> str:
    """Write leadline-defaults.conf, which extensions.conf includes into its globals.

    Args:
        plans: where calls go.
        phones: what each phone's display is, see dialplan.forms.phone_entries.
    """
    lines = [f"{DID_PLAN}{digits} = {plan}\n" for digits, plan in sorted(plans.by_digits.items())]
    lines += [f"{PHONE_DISPLAY}{phone} = {entry}\n" for phone, entry in sorted(phones.items())]
    record = f"{RECORD_OUTGOING} = {plans.record_outgoing}\n"
    return "".join(
        ["; Written by Leadline; changes are lost.\n", f"{FALLBACK_PLAN} = {plans.fallback}\n", record, *lines]
    )


def written_forms(number: str, region: str) -> tuple[str, ...]:
    """Give the digits by which a trunk of `region` may name our E.164 `number`: 380441234567, 00380…, 0441234567."""
    return tuple(dict.fromkeys(_forms(number, region)))


def _forms(number: str, region: str) -> Iterator[str]:
    international = re.sub(r"[^0-9]", "", number)
    if not international:
        return
    yield international
    if not number.startswith("+"):
        return
    yield f"00{international}"
    try:
        parsed = phonenumbers.parse(number, None)
    except NumberParseException:
        return
    if parsed.country_code == phonenumbers.country_code_for_region(region):
        yield phonenumbers.national_significant_number(parsed)
        yield re.sub(r"[^0-9]", "", phonenumbers.format_number(parsed, PhoneNumberFormat.NATIONAL))
