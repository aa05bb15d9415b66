"""The control API and the REST interface of the simulated exchange."""

from __future__ import annotations

import httpx
import pytest


@pytest.fixture
def http(simulator):
    with httpx.Client(base_url=simulator.rest_url, trust_env=False) as client:
        yield client


def test_the_state_tells_mode_rate_seed_and_prices(http):
    state = http.get("/control").json()
    assert (state["mode"], state["rate"], state["seed"]) == ("normal", 60, 1)
    assert len(state["prices"]) == 20


def test_mode_and_rate_are_changed_together(http):
    state = http.post("/control", json={"mode": "silent", "rate": 150}).json()
    assert (state["mode"], state["rate"]) == ("silent", 150)


@pytest.mark.parametrize(
    "body",
    [
        *({"mode": "party"}, {"mode": []}, {"rate": -1}, {"rate": 1e9}, {"rate": "60"}),
        *({"rate": True}, {"seed": "x"}, {"seed": 1.5}, {"seed": True}, [], None, "normal"),
    ],
)
def test_a_wrong_order_is_refused_and_changes_nothing(http, body):
    answer = http.post("/control", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid"
    assert http.get("/control").json()["mode"] == "normal"


@pytest.mark.parametrize(
    "changed",
    [
        *({"symbol": "XBT/USD"}, {"symbol": None}, {"symbol": []}, {"bid": "x"}, {"bid": None}),
        *({"ask": "NaN"}, {"ask": "1e99"}, {"ask": "Infinity"}, {"ask": {}}),
    ],
)
def test_a_wrong_tick_is_refused(http, changed):
    tick = {"symbol": "BTC/USD", "bid": "1", "ask": "2"} | changed
    assert http.post("/control/tick", json=tick).status_code == 400


def test_a_body_that_is_not_json_is_refused(http):
    assert http.post("/control", content=b"\xff{").status_code == 400
    assert http.post("/control", content=b"[" * 99_999).status_code == 400


def test_a_tick_shows_on_the_rest_interface(http, simulator):
    simulator.set(mode="silent")
    simulator.tick("ETH/USD", "2771.10", "2771.20")
    rows = http.get("/0/public/Ticker", params={"pair": "ETHUSD"}).json()["result"]
    assert float(rows["XETHZUSD"]["a"][0]) == 2771.2


def test_errors_come_with_status_200_as_the_real_ones_do(http, simulator):
    answer = http.get("/0/public/Ticker", params={"pair": "ETHUSD,NONSENSE"})
    assert (answer.status_code, answer.json()) == (200, {"error": ["EQuery:Unknown asset pair"]})
    simulator.set(mode="maintenance")
    answer = http.get("/0/public/AssetPairs")
    assert (answer.status_code, answer.json()) == (200, {"error": ["EService:Unavailable"]})


def test_all_pairs_are_listed_with_their_ticks(http):
    rows = http.get("/0/public/AssetPairs").json()["result"]
    assert len(rows) == 20
    assert rows["XXBTZUSD"]["tick_size"] == "0.1"


def test_other_paths_are_not_there(http):
    assert http.get("/0/private/Balance").status_code == 404
    assert http.delete("/control").status_code == 404
