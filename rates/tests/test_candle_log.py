"""Candles on their way to the stream, on a real Valkey."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal as D

import pytest

from foundation import valkey
from rates.constants import KEY_OPEN_CANDLES
from rates.feeds.source import Tick
from rates.services.feed.candle_log import CandleLog

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
async def client():
    client = valkey.async_client()
    yield client
    await client.aclose()


def draw(log: CandleLog, bid: str, *, second: int, epoch: int) -> None:
    at = NOON.replace(second=second)
    facts = dict.fromkeys(("last", "volume", "low", "high", "change_pct"), D(bid))
    tick = Tick(
        symbol="BTC/USD", bid=D(bid), ask=D(bid) + 1, **facts,
        received=0.0, received_at=at, source_time=None, snapshot=False,
    )  # fmt: skip
    log.add("BTC_USD", tick, epoch=epoch, spread_version=1)


def said(commands) -> list[tuple[str, int]]:
    """Epoch and tick count of every part that goes to the stream."""
    fields = [command[command.index("*") + 1 :] for command in commands if command[0] == "XADD"]
    parts = [dict(zip(words[::2], words[1::2], strict=True)) for words in fields]
    return [(part["epoch"], int(part["ticks"])) for part in parts]


async def test_a_minute_cut_by_an_emptied_valkey_keeps_the_ticks_from_before(client):
    log = CandleLog()
    draw(log, "10", second=1, epoch=1)
    draw(log, "11", second=2, epoch=1)
    await client.delete(KEY_OPEN_CANDLES)
    assert said(await log.inherit(client)) == []
    draw(log, "12", second=3, epoch=2)
    assert said(log.commands(NOON.replace(minute=1))) == [("1", 2), ("2", 1)]


async def test_a_standby_finishes_what_the_leader_left_open(client):
    leader, standby = CandleLog(), CandleLog()
    draw(leader, "10", second=1, epoch=1)
    for command in leader.open_commands():
        await client.execute_command(*command)
    assert said(await standby.inherit(client)) == [("1", 1)]
    assert said(standby.commands(NOON.replace(minute=1))) == []
