"""Stages of several test processes at once keep out of each other's ports."""

from contextlib import ExitStack

from tests.lab.stage.stage import CALLER_COUNT, PHONE_COUNT, PORTS_EACH, claim_ports


def test_stages_at_once_have_ports_of_their_own() -> None:
    count = PORTS_EACH * (PHONE_COUNT + CALLER_COUNT)
    with ExitStack() as stack:
        firsts = []
        for _ in range(2):
            first, claim = claim_ports(count)
            stack.enter_context(claim)
            firsts.append(first)
        one, other = sorted(firsts)
        assert other - one >= count
