"""However many pages are asked for at once, the event loop looks after calls between any two."""

import asyncio

from leads.admin.entrance import Entrance


async def test_in_each_turn_of_the_loop_one_comes_in() -> None:
    entrance, seen, turns = Entrance(), list[int](), 0

    def turn() -> None:
        nonlocal turns
        turns += 1
        asyncio.get_running_loop().call_soon(turn)

    async def ask() -> None:
        await entrance.come_in()
        seen.append(turns)

    turn()
    await asyncio.gather(*(ask() for _request in range(50)))
    assert len(set(seen)) == 50
    assert seen == sorted(seen)


async def test_who_goes_away_holds_nobody_up() -> None:
    entrance = Entrance()
    waiting = [asyncio.create_task(entrance.come_in()) for _request in range(3)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await entrance.come_in()
    assert not waiting[2].cancelled()
