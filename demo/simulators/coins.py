"""Simulated CoinMarketCap, CryptoCompare and CoinGecko: their real shapes, and their real failures.

Each service answers below its own prefix, ``/coinmarketcap``, ``/cryptocompare``, ``/coingecko``,
and is in a mode of its own. ``POST /control/coins`` takes any of ``service`` (default: all),
``mode``, ``delay`` (seconds that ``slow`` waits), ``clock`` (a number that fixes the walk of
prices, null for the real time), ``swap`` (two symbols that change ranks), ``prices`` (symbol to
number), ``plan`` (credits of CoinMarketCap's plan, and those used) and ``reset``.
"""

from __future__ import annotations

import asyncio
import enum
import math
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from demo.simulators.coin_universe import COINS, Coin, universe

Query = dict[str, list[str]]
PREFIXES: Final = ("coinmarketcap", "cryptocompare", "coingecko")
WEEK_HOURS: Final = 168
MOVES_EVERY: Final = 20.0
LONGEST_DELAY: Final = 60.0


class Mode(enum.StrEnum):
    NORMAL = "normal"
    UNAUTHORIZED = "401"
    PAYMENT = "402"
    PLAN = "403"
    MINUTE = "429_minute"
    DAY = "429_day"
    MONTH = "429_month"
    ADDRESS = "429_ip"
    SERVER = "500"
    ERROR_BODY = "200_error"  # HTTP 200, and the body says that it failed
    HTML = "html"  # what a proxy in front of the service says
    HTML_REFUSAL = "html_403"  # what it says to an address that it takes for a robot's
    TRUNCATED = "truncated"  # half of a JSON document
    SLOW = "slow"
    PARTIAL = "partial"  # a tenth of the rows
    CLASH = "clash"  # another coin under a known symbol


@dataclass
class Service:
    """What one of the services is up to."""

    mode: Mode = Mode.NORMAL
    delay: float = 10.0
    calls: int = 0
    order: list[str] = field(default_factory=list)
    prices: dict[str, float] = field(default_factory=dict)


class Answer(NamedTuple):
    """``body`` is text as it stands, or an object to be written as JSON."""

    status: int
    body: Any
    kind: str = "application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()


CMC_KEY: Final = "/v1/key/info"
CMC_PATHS: Final = (
    *("/v1/cryptocurrency/listings/latest", "/v3/cryptocurrency/listings/latest"),
    CMC_KEY,
)
# Credits a month, and those that are used.
PLAN: Final = (15_000, 0)
HTML_PAGE: Final = Answer(
    503, "<!DOCTYPE html><title>Just a moment...</title><h1>Checking</h1>", "text/html"
)
HTML_REFUSAL: Final = HTML_PAGE._replace(status=403)
# HTTP status, error_code and text of CoinMarketCap.
CMC_ERRORS: Final = {
    Mode.UNAUTHORIZED: (401, 1001, "This API Key is invalid."),
    Mode.PAYMENT: (402, 1003, "Your API Key must be activated."),
    Mode.PLAN: (403, 1006, "Your API Key subscription plan doesn't support this endpoint."),
    Mode.MINUTE: (429, 1008, "You've exceeded your API Key's HTTP request rate limit."),
    Mode.DAY: (429, 1009, "You've exceeded your API Key's daily rate limit."),
    Mode.MONTH: (429, 1010, "You've exceeded your API Key's monthly rate limit."),
    Mode.ADDRESS: (429, 1011, "You've hit an IP rate limit."),
    Mode.SERVER: (500, 500, "An internal server error occurred"),
    Mode.ERROR_BODY: (200, 1008, "You've exceeded your API Key's HTTP request rate limit."),
}


class CoinMarket:
    """The three services over one market."""

    def __init__(self, seed: int) -> None:
        self.coins = universe(seed)
        self.by_symbol = {coin.symbol: coin for coin in self.coins}
        self.clock: float | None = None
        self.services: dict[str, Service] = {}
        self.plan = PLAN
        self.reset()

    def reset(self) -> None:
        self.clock, self.plan = None, PLAN
        self.services = {
            name: Service(order=[coin.symbol for coin in self.coins]) for name in PREFIXES
        }

    # --- Control ------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        return {
            name: {"mode": service.mode, "calls": service.calls}
            for name, service in self.services.items()
        }

    def control(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Raises ``ValueError`` for what it does not know."""
        if fields.get("reset"):
            self.reset()
        if "clock" in fields:
            self.clock = None if fields["clock"] is None else float(fields["clock"])
        if "plan" in fields:
            limit, used = fields["plan"]
            self.plan = int(limit), int(used)
        name = fields.get("service")
        if name is not None and name not in self.services:
            raise ValueError(f"service is one of {', '.join(PREFIXES)}.")
        for service in [self.services[name]] if name else list(self.services.values()):
            self._change(service, fields)
        return self.state()

    def _change(self, service: Service, fields: dict[str, Any]) -> None:
        if (mode := fields.get("mode")) is not None:
            if mode not in list(Mode):
                raise ValueError(f"mode is one of {', '.join(Mode)}.")
            service.mode = Mode(mode)
        if (delay := fields.get("delay")) is not None:
            service.delay = min(float(delay), LONGEST_DELAY)
        if (swap := fields.get("swap")) is not None:
            first, second = (service.order.index(symbol) for symbol in swap)
            order = service.order
            order[first], order[second] = order[second], order[first]
        for symbol, price in (fields.get("prices") or {}).items():
            service.prices[symbol] = float(price)

    # --- Answers ------------------------------------------------------------------------------

    async def answer(self, path: str, query: Query, headers: dict[bytes, bytes]) -> Answer:
        name, _, rest = path.lstrip("/").partition("/")
        service = self.services[name]
        service.calls += 1
        if service.mode is Mode.SLOW:
            await asyncio.sleep(service.delay)
        if service.mode is Mode.HTML:
            return HTML_PAGE
        if service.mode is Mode.HTML_REFUSAL:
            return HTML_REFUSAL
        found: Answer = getattr(self, f"_{name}")(service, "/" + rest, query, headers)
        if service.mode is Mode.TRUNCATED and found.status == 200:
            return Answer(200, '{"status": {"error_code": 0}, "data": [{"id": 1, "na')
        return found

    def _rows(self, service: Service, offset: int, count: int) -> list[tuple[int, Coin, float]]:
        """(rank, coin, price) of a part of the list."""
        symbols = service.order[offset : offset + count]
        if service.mode is Mode.PARTIAL:
            symbols = symbols[: max(1, len(symbols) // 10)]
        rows = enumerate(symbols, offset + 1)
        coins = [(rank, self.by_symbol[symbol]) for rank, symbol in rows]
        return [(rank, coin, self._price(service, coin)) for rank, coin in coins]

    def _price(self, service: Service, coin: Coin) -> float:
        if coin.symbol in service.prices:
            return service.prices[coin.symbol]
        now = time.time() // MOVES_EVERY * MOVES_EVERY if self.clock is None else self.clock
        sway = 0.02 * math.sin(now / 900 + coin.number) + 0.004 * math.sin(now / 47 + coin.number)
        return float(f"{coin.price * (1 + (sway if now else 0)):.8g}")

    def _changes(self, coin: Coin) -> tuple[float, float, float]:
        """Per cent over 1 hour, 24 hours, 7 days."""
        n = coin.number
        return (
            round(0.8 * math.sin(n), 4),
            round(6 * math.sin(n * 1.7), 4),
            round(14 * math.sin(n * 2.3), 4),
        )

    def _volume(self, coin: Coin, price: float) -> float:
        return round(price * coin.supply * (0.02 + 0.01 * math.sin(coin.number * 3)), 2)

    # --- CoinMarketCap --------------------------------------------------------------------------

    def _coinmarketcap(
        self, service: Service, path: str, query: Query, headers: dict[bytes, bytes]
    ) -> Answer:
        keyless = path.startswith("/public-api/")
        path = path.removeprefix("/public-api")
        if path not in CMC_PATHS or (keyless and path == CMC_KEY):
            return Answer(404, {"status": _status(404, "No such endpoint.")})
        if service.mode in CMC_ERRORS:
            status, code, text = CMC_ERRORS[service.mode]
            return Answer(status, {"status": _status(code, text)})
        if not keyless and not headers.get(b"x-cmc_pro_api_key"):
            return Answer(401, {"status": _status(1002, "API key missing.")})
        if path == CMC_KEY:
            return Answer(200, {"status": _status(0, None), "data": self._cmc_plan()})
        start, limit = int(query.get("start", ["1"])[0]), int(query.get("limit", ["100"])[0])
        rows = [
            self._cmc_row(rank, coin, price, as_list=path.startswith("/v3"))
            for rank, coin, price in self._rows(service, start - 1, limit)
        ]
        if service.mode is Mode.CLASH:
            # A coin of little worth under Ethereum's symbol, and above it in this list.
            rows.insert(0, {**rows[1], "id": 99_999, "name": "Fake", "cmc_rank": 0})
            quote = {"symbol": "USD", "price": 0.0001, "market_cap": 1.0, "volume_24h": 1.0}
            rows[0]["quote"] = [quote] if path.startswith("/v3") else {"USD": quote}
            rows[0]["symbol"] = "ETH"
        credits = -(-limit // 200)
        told = _status(0, None) | {"credit_count": 0 if keyless else credits}
        if keyless:
            told |= {"error_code": "0", "error_message": "SUCCESS", "elapsed": "14"}
        return Answer(200, {"status": told, "data": rows})

    def _cmc_plan(self) -> dict[str, Any]:
        limit, used = self.plan
        return {
            "plan": {"credit_limit_monthly": limit, "rate_limit_minute": 30},
            "usage": {
                "current_minute": {"requests_made": 1, "requests_left": 29},
                "current_day": {"credits_used": 0},
                "current_month": {"credits_used": used, "credits_left": max(0, limit - used)},
            },
        }

    def _cmc_row(self, rank: int, coin: Coin, price: float, *, as_list: bool) -> dict[str, Any]:
        hour, day, week = self._changes(coin)
        quote = {
            "price": price,
            "volume_24h": self._volume(coin, price),
            "percent_change_1h": hour,
            "percent_change_24h": day,
            "percent_change_7d": week,
            "market_cap": round(price * coin.supply, 2),
            "last_updated": _now(),
        }
        return {
            "id": coin.number,
            "name": coin.name,
            "symbol": coin.symbol,
            "slug": coin.name.lower().replace(" ", "-"),
            "cmc_rank": rank,
            "circulating_supply": coin.supply,
            "last_updated": _now(),
            "quote": [{"id": 2781, "symbol": "USD", **quote}] if as_list else {"USD": quote},
        }

    # --- CryptoCompare --------------------------------------------------------------------------

    def _cryptocompare(
        self, service: Service, path: str, query: Query, headers: dict[bytes, bytes]
    ) -> Answer:
        if path != "/data/top/mktcapfull":
            return Answer(404, {"Response": "Error", "Message": "No such path.", "Type": 1})
        limited = {
            "Response": "Error",
            "Message": "You are over your rate limit please upgrade your account!",
            "HasWarning": False,
            "Type": 99,
            "RateLimit": {},
            "Data": {},
        }
        keyed = headers.get(b"authorization", b"").startswith(b"Apikey ")
        if service.mode is Mode.UNAUTHORIZED or not keyed:
            text = "API key required, please refer to the documentation"
            problem = {"type": 2, "message": text, "http_status_code": 401, "frontend": {}}
            return Answer(401, {"Data": {}, "Err": problem})
        if service.mode in (Mode.PAYMENT, Mode.PLAN, Mode.SERVER):
            return Answer(int(service.mode), {"Response": "Error", "Message": "No.", "Type": 1})
        if service.mode.startswith("429"):
            return Answer(429, limited, headers=((b"retry-after", b"30"),))
        if service.mode is Mode.ERROR_BODY:
            return Answer(200, limited)
        page, limit = int(query.get("page", ["0"])[0]), int(query.get("limit", ["10"])[0])
        if not 10 <= limit <= 100:
            return Answer(200, limited | {"Type": 2, "Message": "limit param is invalid"})
        rows = [
            self._cc_row(coin, price) for _, coin, price in self._rows(service, page * limit, limit)
        ]
        sponsored = [self._cc_row(self.coins[40], 9.99)]
        return Answer(
            200,
            {
                "Message": "Success",
                "Type": 100,
                "MetaData": {"Count": COINS},
                "SponsoredData": sponsored,
                "Data": rows,
            },
        )

    def _cc_row(self, coin: Coin, price: float) -> dict[str, Any]:
        info = {"Id": str(coin.number), "Name": coin.symbol, "FullName": coin.name}
        if coin.number % 97 == 0:
            return {"CoinInfo": info}  # it happens
        figures = {
            "PRICE": float(f"{price:.7g}"),
            "MKTCAP": round(price * coin.supply, 2),
            "TOTALVOLUME24HTO": self._volume(coin, price),
            "CHANGEPCT24HOUR": self._changes(coin)[1],
            "CHANGEPCTHOUR": self._changes(coin)[0],
            "LASTUPDATE": int(time.time()),
        }
        return {"CoinInfo": info, "RAW": {"USD": figures}}

    # --- CoinGecko ------------------------------------------------------------------------------

    def _coingecko(
        self, service: Service, path: str, query: Query, headers: dict[bytes, bytes]
    ) -> Answer:
        if path != "/api/v3/coins/markets":
            return Answer(404, {"error": "Incorrect path."})
        limited = {
            "status": {"error_code": 429, "error_message": "You've exceeded the Rate Limit."}
        }
        if service.mode is Mode.ERROR_BODY:
            return Answer(200, limited)
        if service.mode.startswith("429"):
            return Answer(429, limited, headers=((b"retry-after", b"45"),))
        if service.mode.isdecimal():
            told = {"error_code": int(service.mode), "error_message": "No."}
            return Answer(int(service.mode), {"status": told})
        page = int(query.get("page", ["1"])[0])
        size = min(int(query.get("per_page", ["100"])[0]), 250)
        rows = [
            self._gecko_row(rank, coin, price)
            for rank, coin, price in self._rows(service, (page - 1) * size, size)
        ]
        if service.mode is Mode.CLASH:
            fake = {**rows[1], "id": "fake-ether", "name": "Fake", "current_price": 0.0001}
            rows.insert(0, fake | {"market_cap_rank": None})
        if query.get("sparkline") == ["true"]:
            for row in rows:
                row["sparkline_in_7d"] = {"price": self._week(row["current_price"], row["id"])}
        return Answer(200, rows)

    def _week(self, price: float, name: str) -> list[float]:
        """168 hours that end near ``price``, oldest first."""
        turn = float(len(name))
        return [
            float(f"{price * (1 + 0.05 * math.sin(hour / 19 + turn) * hour / WEEK_HOURS):.8g}")
            for hour in range(WEEK_HOURS, 0, -1)
        ]

    def _gecko_row(self, rank: int, coin: Coin, price: float) -> dict[str, Any]:
        hour, day, week = self._changes(coin)
        return {
            "id": coin.name.lower().replace(" ", "-"),
            "symbol": coin.symbol.lower(),
            "name": coin.name,
            "current_price": float(f"{price * 1.0004:.8g}"),
            "market_cap": round(price * coin.supply),
            "market_cap_rank": rank,
            "total_volume": round(self._volume(coin, price)),
            "price_change_percentage_24h": day,
            "price_change_percentage_1h_in_currency": hour,
            "price_change_percentage_24h_in_currency": day,
            "price_change_percentage_7d_in_currency": week,
            "last_updated": _now(),
        }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _status(code: int, text: str | None) -> dict[str, Any]:
    return {
        "timestamp": _now(),
        "error_code": code,
        "error_message": text,
        "elapsed": 14,
        "credit_count": 0,
        "notice": None,
    }
