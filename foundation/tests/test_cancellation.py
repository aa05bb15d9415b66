from __future__ import annotations

import asyncio

from foundation import cancellation
from foundation.cancellation import cancel_and_wait


async def test_a_task_that_loses_its_first_cancellation_is_cancelled_again(monkeypatch):
    monkeypatch.setattr(cancellation, "AGAIN_AFTER", 0.01)
    lost: list[bool] = []

    async def careless():
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                if lost:
                    raise
                lost.append(True)

    task = asyncio.create_task(careless())
    await asyncio.sleep(0)
    await asyncio.wait_for(cancel_and_wait([task]), 5)
    assert (task.cancelled(), lost) == (True, [True])


async def test_tasks_that_have_ended_or_failed_are_no_obstacle():
    async def fail():
        raise ValueError

    async def nothing():
        pass

    tasks = [asyncio.create_task(fail()), asyncio.create_task(nothing())]
    await asyncio.wait(tasks)
    await cancel_and_wait(tasks)
    await cancel_and_wait([])
    assert isinstance(tasks[0].exception(), ValueError)
