"""The exchange's own words: websocket v2 frames and REST bodies, and the nonsense of garbage mode.

Ticker frames are written by hand because a price is a JSON number with the digits of its tick:
``84359.90`` would leave a JSON library as ``84359.9``.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from demo.simulators.market import Book
from demo.simulators.pairs import SimulatedPair

HEARTBEAT = '{"channel":"heartbeat"}'
# Larger than 2^53 on purpose, as the real ones are.
CONNECTION_ID = 13834774380200032777

# What a broken middlebox or a bad release may send. None of it may cost more than itself.
GARBAGE: tuple[str | bytes, ...] = (
    "<html><body>502 Bad Gateway</body></html>",
    "",
    "null",
    "[]",
    '"ticker"',
    "{",
    '{"channel":"ticker"}',
    '{"channel":"ticker","type":"update","data":{}}',
    '{"channel":"ticker","type":"update","data":[null]}',
    '{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD","bid":NaN,"ask":NaN}]}',
    '{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD","bid":"1","ask":"2"}]}',
    '{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD","bid":1e999999,"ask":2}]}',
    '{"channel":"ticker","type":"update","data":[{"symbol":["BTC/USD"],"bid":1,"ask":2}]}',
    '{"channel":["ticker"],"type":"update"}',
    '{"channel":"status","type":"update","data":[{"system":7}]}',
    '{"method":"subscribe","success":"yes"}',
    '{"a":' * 3000,
    "[" * 30_000,
    '{"channel":"ticker","padding":"' + "x" * 100_000 + '"}',
    b"\xff\xfe\x00garbage",
)


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def status(system: str) -> str:
    data = {
        "api_version": "v2",
        "connection_id": CONNECTION_ID,
        "system": system,
        "version": "2.0.10",
    }
    return json.dumps({"channel": "status", "type": "update", "data": [data]})


def ticker(book: Book, kind: str) -> str:
    """A full row; ``kind`` is ``snapshot`` or ``update``."""
    return (
        f'{{"channel":"ticker","type":"{kind}","data":[{{"symbol":"{book.pair.symbol}",'
        f'"bid":{book.bid:f},"bid_qty":{book.bid_qty:f},"ask":{book.ask:f},"ask_qty":{book.ask_qty:f},'
        f'"last":{book.last:f},"volume":{book.volume:.8f},"vwap":{book.vwap:f},"low":{book.low:f},'
        f'"high":{book.high:f},"change":{book.change:f},"change_pct":{book.change_pct:f},'
        f'"timestamp":"{now()}"}}]}}'
    )


def acknowledged(method: str, symbol: str, req_id: Any, *, snapshot: bool) -> str:
    result: dict[str, Any] = {"channel": "ticker", "symbol": symbol}
    if method == "subscribe":
        result["snapshot"] = snapshot
    return _answer(method, req_id, success=True, result=result)


def refused(method: str, message: str, req_id: Any, symbol: str | None = None) -> str:
    extra = {} if symbol is None else {"symbol": symbol}
    return _answer(method, req_id, success=False, error=message, **extra)


def pong(req_id: Any) -> str:
    return _answer("pong", req_id)


def _answer(method: str, req_id: Any, **content: Any) -> str:
    stamp = now()
    body = {"method": method, **content, "time_in": stamp, "time_out": stamp}
    if req_id is not None:
        body["req_id"] = req_id
    return json.dumps(body)


def rest_result(result: dict[str, Any]) -> dict[str, Any]:
    return {"error": [], "result": result}


def rest_error(code: str) -> dict[str, Any]:
    """Errors of the exchange arrive with HTTP 200."""
    return {"error": [code]}


def rest_pair(pair: SimulatedPair) -> dict[str, Any]:
    base, quote = pair.wsname.split("/")
    return {
        "altname": pair.altname,
        "wsname": pair.wsname,
        "aclass_base": "currency",
        "base": base,
        "aclass_quote": "currency",
        "quote": quote,
        "lot": "unit",
        "cost_decimals": 5,
        "pair_decimals": pair.decimals,
        "lot_decimals": 8,
        "lot_multiplier": 1,
        "fees": [[0, 0.26]],
        "fees_maker": [[0, 0.16]],
        "fee_volume_currency": "ZUSD",
        "ordermin": "0.00005",
        "costmin": "0.5",
        "tick_size": f"{pair.tick:f}",
        "status": "online",
    }


def rest_ticker(book: Book) -> dict[str, Any]:
    volume, vwap = f"{book.volume:.8f}", f"{book.vwap:.5f}"
    low, high = f"{book.low:.10f}", f"{book.high:.10f}"
    return {
        "a": [f"{book.ask:.10f}", "1", f"{book.ask_qty:.3f}"],
        "b": [f"{book.bid:.10f}", "1", f"{book.bid_qty:.3f}"],
        "c": [f"{book.last:.10f}", "0.01409352"],
        "v": [volume, volume],
        "p": [vwap, vwap],
        "t": [book.trades, book.trades],
        "l": [low, low],
        "h": [high, high],
        "o": f"{book.open:.10f}",
    }
