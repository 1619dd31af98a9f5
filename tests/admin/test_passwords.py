"""Passwords are hashed behind everything else that the server does."""

import os
import threading

from leads.admin.passwords import NICE, Passwords


async def test_hashing_stands_back_behind_those_who_answer_calls() -> None:
    passwords, usual = Passwords(), os.getpriority(os.PRIO_PROCESS, 0)
    hashing = await passwords._run(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
    passwords.close()
    assert hashing == min(19, usual + NICE)
    assert os.getpriority(os.PRIO_PROCESS, 0) == usual
