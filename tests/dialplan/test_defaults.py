"""The plans that Asterisk keeps for the time without us (C8)."""

from dialplan.defaults import default_plans, render_defaults, written_forms
from leads.domain.directory import Did, Directory, DisplayMode, Extension, Group

PHONES = {number: Extension(number, f"PJSIP/{number}", DisplayMode.LATIN, 24, None) for number in ("101", "102")}
DIRECTORY = Directory(
    version=1,
    extensions=PHONES,
    groups={1: Group(1, "Sales", 25, (PHONES["101"], PHONES["102"]))},
    dids={
        "+380441234567": Did("+380441234567", "Main", 1, None, 60, "102", None),
        "+31201234567": Did("+31201234567", "Amsterdam", None, "sales", 40, None, None),
    },
)


def test_each_of_our_numbers_has_its_plan_however_a_trunk_writes_it() -> None:
    plans = default_plans(DIRECTORY, region="UA", default_extension="101")
    kyiv = "L1||P,25,0PJSIP/101!0PJSIP/102,*,|P,30,0PJSIP/102,*,"
    amsterdam = "L1||Q,40,sales,*,|P,30,0PJSIP/101,*,"
    assert plans.by_digits == {
        "380441234567": kyiv,
        "00380441234567": kyiv,
        "441234567": kyiv,
        "0441234567": kyiv,
        "31201234567": amsterdam,
        "0031201234567": amsterdam,
    }
    assert plans.fallback == "L1||P,30,0PJSIP/101,*,"


def test_a_company_without_numbers_rings_nobody_of_itself() -> None:
    plans = default_plans(Directory(version=1), region="UA", default_extension=None)
    assert plans.by_digits == {}
    assert plans.fallback.startswith("L1|")


def test_the_file_for_asterisk() -> None:
    text = render_defaults(
        default_plans(DIRECTORY, region="UA", default_extension="101"), {"101": "u24~Olena Koval~u24~Олена Коваль"}
    )
    assert text.splitlines() == [
        "; Written by Leadline; changes are lost.",
        "LEADLINE_FALLBACK_PLAN = L1||P,30,0PJSIP/101,*,",
        "LEADLINE_RECORD_OUTGOING = none",
        "LEADLINE_DID_0031201234567 = L1||Q,40,sales,*,|P,30,0PJSIP/101,*,",
        "LEADLINE_DID_00380441234567 = L1||P,25,0PJSIP/101!0PJSIP/102,*,|P,30,0PJSIP/102,*,",
        "LEADLINE_DID_0441234567 = L1||P,25,0PJSIP/101!0PJSIP/102,*,|P,30,0PJSIP/102,*,",
        "LEADLINE_DID_31201234567 = L1||Q,40,sales,*,|P,30,0PJSIP/101,*,",
        "LEADLINE_DID_380441234567 = L1||P,25,0PJSIP/101!0PJSIP/102,*,|P,30,0PJSIP/102,*,",
        "LEADLINE_DID_441234567 = L1||P,25,0PJSIP/101!0PJSIP/102,*,|P,30,0PJSIP/102,*,",
        "LEADLINE_PHONE_101 = u24~Olena Koval~u24~Олена Коваль",
    ]


def test_numbers_that_are_none_have_no_other_form() -> None:
    assert written_forms("101", "UA") == ("101",)
    assert written_forms("sales", "UA") == ()
    assert written_forms("+999", "UA") == ("999", "00999")
