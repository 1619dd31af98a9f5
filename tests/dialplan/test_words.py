"""The Asterisk side uses the words of dialplan.words, and no others of ours."""

import hashlib
import re

from ami_listener.ami_events import READERS
from dialplan import words
from dialplan.plan import MARK, UNSURE_MARK
from dialplan.render import SOURCE

CONF = {path.name: path.read_text() for path in sorted(SOURCE.rglob("*.conf"))}
CODE = "\n".join(re.sub(r"^\s*;.*$", "", text, flags=re.MULTILINE) for text in CONF.values())


def test_contexts_are_those_of_the_words() -> None:
    defined = re.findall(r"^\[(leadline-[a-z]+)\]", CODE, flags=re.MULTILINE)
    accounts = {"leadline-events", "leadline-control"}
    assert set(defined) - accounts == words.CONTEXTS
    assert len(defined) == len(set(defined))


def test_every_context_that_is_used_is_there() -> None:
    used = set(re.findall(r"(?<![\w/@-])leadline-[a-z]+(?=[,^]|\]?$)", CODE, flags=re.MULTILINE))
    assert used - {"leadline-events", "leadline-control"} <= words.CONTEXTS
    assert {words.ASK, words.WALK, words.NAME, words.LINE} <= used


DIALPLAN_DIGEST = "0ee5de26537bd647"
"""Of what Asterisk reads of the files that are copied to it; what they do without comments."""


def test_the_dialplan_names_its_version_and_each_change_gets_a_new_one() -> None:
    assert f"\nexten = {words.DIALPLAN_TOLD_BY},1,NoOp({words.DIALPLAN})\n" in CONF["leadline.conf"]
    lines = [
        line.strip()
        for name in ("leadline.conf", "leadline-freepbx.conf")
        for line in CONF[name].splitlines()
        if line.strip() and not line.lstrip().startswith(";")
    ]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
    assert digest == DIALPLAN_DIGEST, (
        "leadline.conf or leadline-freepbx.conf changed: one more in DIALPLAN of dialplan/words.py and in the last line"
        f" of leadline.conf, so that `leadline check` finds who has the old one; then the digest is {digest} or another"
    )


def test_database_keys_are_those_of_the_words() -> None:
    assert set(re.findall(r"DB(?:_EXISTS)?\(([a-z-]+/[a-z-]*)", CODE)) == {
        f"{words.PHONE_FAMILY}/",
        "/".join(words.BYPASS),
        f"{words.DID_FAMILY}/",
        f"{words.NUMBER_FAMILY}/",
        f"{words.EMPLOYEE_FAMILY}/",
        f"{words.COMPANY_FAMILY}/{words.COMPANY_PLAN}",
        f"{words.COMPANY_FAMILY}/{words.COMPANY_RULES}",
        "/".join(words.CHECKED),
        f"{words.RECORD_FAMILY}/{words.OUTGOING_KEY}",
        f"{words.RECORD_FAMILY}/{words.PHONE_KEY}",
    }


def test_variables_from_outside_are_those_of_the_words() -> None:
    assert words.FALLBACK_PLAN in CONF["leadline-globals.conf"]
    assert f"${{{words.DID_PLAN}${{" in CODE
    assert f"/{words.ROUTE_PATH}\n" in CONF["leadline-globals.conf"]
    assert f"Set(LEADLINE_DID={words.CHECK_DID})" in CODE
    assert f",{words.CALLEE_MARK}${{" in CODE
    assert f"${{{words.PHONE_DISPLAY}${{" in CODE
    assert f"[{words.TRUNK}]" in CONF["pjsip.conf"]
    for variable in set(re.findall(r"\$\{(LEADLINE_[A-Z_]+)", CODE)) - {
        words.PLAN,
        words.DID_PLAN,
        words.PHONE_DISPLAY,
    }:
        made = rf"Set\(_?(LOCAL\()?{variable}[)=]|MixMonitor\(.*i\({variable}\)|ARRAY\([A-Z_,]*{variable}[,)]"
        assert re.search(rf"{made}|^(set_var = )?{variable} ?=", CODE, re.MULTILINE)


def test_only_plans_with_our_mark_are_walked() -> None:
    assert len(re.findall(r'"\$\{LEADLINE_PLAN:0:3\}" !?= "([^"]*)"', CODE)) == CODE.count("LEADLINE_PLAN:0:3")
    assert set(re.findall(r'"\$\{LEADLINE_PLAN:0:3\}" !?= "([^"]*)"', CODE)) == {MARK, UNSURE_MARK}


def test_each_freepbx_global_is_known_to_the_plain_pbx() -> None:
    def names(file: str) -> set[str]:
        return set(re.findall(r"^(LEADLINE_[A-Z_]+) =", CONF[file], flags=re.MULTILINE))

    assert names("globals_custom.conf") <= names("leadline-globals.conf")


def test_ami_sends_all_that_the_tracker_reads() -> None:
    """Answers to CoreShowChannels are no events that a filter could hold back."""
    sent = set(re.findall(r"^eventfilter\(action\(include\),name\((\w+)\)", CONF["manager.conf"], flags=re.MULTILINE))
    assert set(READERS) - {"CoreShowChannel", "CoreShowChannelsComplete"} <= sent


def test_what_comes_from_outside_is_filtered_before_it_is_used() -> None:
    uses = re.findall(r"(?:Dial|DB|Goto|Gosub|Queue|Playback)\(.*", CODE)
    assert len(uses) > 10
    for use in uses:
        assert "${CALLERID(" not in use
        for at in re.finditer(re.escape("${EXTEN}"), use):
            filtered = re.search(r"FILTER\([-_+0-9a-zA-Z.]+,$", use[: at.start()])
            assert filtered or "[leadline-line]\nexten = _[+0-9]!,1," + use in CODE


def test_a_dash_that_a_filter_keeps_is_not_read_as_a_range() -> None:
    """Asterisk's own ids have one where it has a name; `_-` at the end is a range without an end, and keeps none."""
    kept = re.findall(r"FILTER\(([^,(){}]+),", CODE)
    assert len(kept) > 20
    for signs in kept:
        without_ranges = re.sub(r"[0-9A-Za-z]-[0-9A-Za-z]", "", signs)
        assert without_ranges.rfind("-") <= 0, signs
