"""300 random ticks and spread edits through the running feed: every payload must add up.

The expected prices are computed here with integers of ticks and plain fractions, sharing no code
with the quoting service.
"""

import asyncio
import random
from decimal import Decimal as D
from fractions import Fraction

import pytest
from asgiref.sync import sync_to_async

from foundation import valkey
from foundation.errors import QuaysideError
from rates import constants as c
from rates.feeds.kraken_ws import KrakenWS
from rates.models import PriceTier, SpreadRule
from rates.services import spread_table, spreads
from rates.services.feed.runner import Feed
from rates.tests.desk import make_house_default, make_operator, make_pair
from rates.tests.test_feed import Heard, until

STEPS = 300
TICK = Fraction(1, 10)


def expected(rule, original, outward):
    """The customer's price by hand: offset, clamp, then away from the customer to a whole tick."""
    offset = Fraction(rule.buy if outward == 1 else rule.sell)
    if rule.unit == "bps":
        offset = original * offset / 10_000
    distance = offset * outward
    distance = max(distance, original * Fraction(rule.min_bps) / 10_000)
    distance = min(distance, original * Fraction(rule.max_bps) / 10_000)
    steps = (original + distance * outward) / TICK
    whole = -(-steps.numerator // steps.denominator) if outward == 1 else steps // 1
    return whole * TICK


def random_edit(chance):
    unit = chance.choice(["bps", "absolute"])
    places = D("0.0001") if unit == "bps" else D("0.1")
    width = 400 if unit == "bps" else 900
    return {
        "unit": unit,
        "buy": D(chance.uniform(-20, width)).quantize(places),
        "sell": D(chance.uniform(-width, 20)).quantize(places),
        "max_bps": D(chance.choice([100, 500])),
    }


def random_tick(chance, mid):
    """Mostly sound; sometimes crossed, locked, not positive or far away."""
    bid = (mid + D(chance.uniform(-50, 50))).quantize(D("0.1"))
    width = chance.choice([D("0.1"), D("5.0"), D(0), D("-3.0")])
    return chance.choice([(bid, bid + width)] * 20 + [(D(0), bid), (bid * 2, bid * 2 + 1)])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seed", [1, 2])
async def test_every_published_payload_adds_up(simulator, seed):
    chance = random.Random(seed)
    await asyncio.to_thread(simulator.set, mode="silent")
    pair, operator = await sync_to_async(prepare)()
    client, heard = valkey.async_client(max_connections=8), Heard()
    feed = Feed(
        client=client,
        source=KrakenWS(simulator.ws_url),
        resolve=sync_to_async(spread_table.resolve),
        republish=sync_to_async(spread_table.publish),
        confirm=lambda symbols: asyncio.sleep(0, {}),
        simulated=True,
    )
    listening = asyncio.create_task(heard.listen(client))
    running = asyncio.create_task(feed.run())
    await until(lambda: heard.of("BTC_USD"), "the first quote")
    for _ in range(STEPS):
        if chance.random() < 0.25:
            await sync_to_async(try_edit)(pair, operator, random_edit(chance))
        else:
            bid, ask = random_tick(chance, D(84000))
            await asyncio.to_thread(simulator.tick, "BTC/USD", bid, ask)
    newest = (await sync_to_async(spread_table.resolve)())["version"]
    await until(lambda: heard.of("BTC_USD")[-1][1]["spread_version"] == newest, "the last edit")
    assert await client.hget(c.KEY_FEED, "applied_v") == str(newest).encode()
    feed.stop()
    await running
    listening.cancel()
    await client.aclose()
    await sync_to_async(check)(heard.of("BTC_USD"))


def prepare():
    PriceTier.objects.get_or_create(code="public", defaults={"name": "Public", "is_default": True})
    make_house_default()
    return make_pair(), make_operator()


def try_edit(pair, operator, values):
    try:
        spreads.set_spread(
            pair=pair, reason="random", by=operator, origin="admin", min_bps=D(-30), **values
        )
    except QuaysideError as refused:
        assert refused.fields or refused.code


def check(published):
    rules = {rule.version: rule for rule in SpreadRule.objects.all()}
    live = 0
    for data, meta in published:
        assert set(data) == {"original", "withSpread", "currentSpread"}
        if meta["state"] != "live":
            assert data["withSpread"] is None
            continue
        live += 1
        original, shown, spread = data["original"], data["withSpread"], data["currentSpread"]
        rule = rules[meta["spread_version"]]
        assert original["sell"] <= original["buy"]
        assert shown["sell"] <= shown["buy"]
        for side, outward in (("buy", 1), ("sell", -1)):
            assert shown[side] == original[side] + spread[side]
            assert Fraction(shown[side]) == expected(rule, Fraction(original[side]), outward)
        assert D(meta["spread_configured"]["buy"]) == rule.buy
    assert live > STEPS / 4
    assert len({meta["spread_version"] for _, meta in published}) > STEPS / 20
