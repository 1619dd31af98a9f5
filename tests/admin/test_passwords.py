"""Passwords are hashed behind everything else that the server does, in processes that may end."""

import asyncio
import os

import pytest

from leads.admin.hashing_processes import HashingProcesses
from leads.admin.passwords import AT_ONCE, TooBusyError
from leads.store.password_hash import NICE, hash_password, verify_password


async def test_hashing_stands_back_behind_those_who_answer_calls() -> None:
    hashing, usual = HashingProcesses(), os.getpriority(os.PRIO_PROCESS, 0)
    hashed = await hashing.hash("довгий пароль\n")
    (process,) = hashing._all
    assert os.getpriority(os.PRIO_PROCESS, process.pid) == min(19, usual + NICE)
    assert os.getpriority(os.PRIO_PROCESS, 0) == usual
    assert os.getsid(process.pid) != os.getsid(0)
    assert verify_password(hashed, "довгий пароль\n")
    await hashing.close()
    assert process.returncode is not None


async def test_processes_answer_each_his_own_question_and_are_few() -> None:
    hashing = HashingProcesses()
    hashed = hash_password("right password")
    asked = [(hashed, "right password"), (hashed, "wrong password"), (None, "right password")] * 3
    answers = await asyncio.gather(*(hashing.verify(*question) for question in asked))
    assert answers == [True, False, False] * 3
    assert len(hashing._all) == AT_ONCE
    await hashing.close()


async def test_a_process_that_has_ended_is_replaced() -> None:
    hashing = HashingProcesses()
    hashed = await hashing.hash("right password")
    (process,) = hashing._all
    process.kill()
    await process.wait()
    with pytest.raises(TooBusyError):
        await hashing.verify(hashed, "right password")
    assert await hashing.verify(hashed, "right password")
    await hashing.close()


async def test_who_goes_away_leaves_no_answer_to_the_next() -> None:
    hashing = HashingProcesses()
    hashed = await hashing.hash("right password")
    gone = asyncio.create_task(hashing.verify(hashed, "right password"))
    for _turn in range(3):
        await asyncio.sleep(0)
    gone.cancel()
    await asyncio.wait([gone])
    assert not await hashing.verify(hashed, "wrong password")
    await hashing.close()
