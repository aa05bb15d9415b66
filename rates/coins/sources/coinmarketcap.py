"""CoinMarketCap's listings, v1 and v3, with a key or without one.

The two versions differ in ``quote``: an object by currency, or a list. Errors carry a code of
their own that says more than the status, and may come with HTTP 200. Keyless answers write the code
as text.
"""

from __future__ import annotations

from typing import Any, Final

from rates.coins.sources import download, listing
from rates.coins.sources.listing import Adapter, Fetched, Kind, Listing, Plan, SourceFailed

ROWS_PER_CREDIT: Final = 200
# What the column holds.
MOST_A_MONTH: Final = 2**31 - 1
CODES: Final = {
    1001: Kind.KEY,
    1002: Kind.KEY,
    1003: Kind.PAYMENT,
    1004: Kind.PAYMENT,
    1005: Kind.PLAN,
    1006: Kind.PLAN,
    1007: Kind.PLAN,
    1008: Kind.MINUTE,
    1009: Kind.DAY,
    1010: Kind.MONTH,
    1011: Kind.ADDRESS,
    500: Kind.SERVER,
}
STATUSES: Final = {401: Kind.KEY, 402: Kind.PAYMENT, 403: Kind.PLAN, 429: Kind.MINUTE}


class CoinMarketCap(Adapter):
    @classmethod
    def credits(cls, count: int) -> int:
        return -(-count // ROWS_PER_CREDIT)

    def fetch(self, count: int) -> Fetched:
        prefix = "" if self.key else "/public-api"
        url = f"{self.url}{prefix}/{self.wire}/cryptocurrency/listings/latest"
        params: dict[str, str | int] = {
            "start": 1,
            "limit": count,
            "convert": "USD",
            "sort": "market_cap",
            "aux": "cmc_rank",
        }
        return read(download.get(url, params, self._headers(), download.deadline()))

    def plan(self) -> Plan | None:
        if not self.key:
            return None
        url = f"{self.url}/v1/key/info"
        return read_plan(download.get(url, {}, self._headers(), download.deadline()))

    def _headers(self) -> dict[str, str]:
        return {"X-CMC_PRO_API_KEY": self.key} if self.key else {}


def read(answer: download.Answer) -> Fetched:
    """Rows of either version. Raises ``SourceFailed``."""
    document, status = _checked(answer)
    if not isinstance(document.get("data"), list):
        download.fail_plainly(answer, STATUSES)
    rows, unreadable = listing.read_rows(document["data"], _row)
    cost = status.get("credit_count")
    spent = min(cost, listing.MOST_CREDITS) if isinstance(cost, int) and cost >= 0 else 0
    return Fetched(rows, spent, unreadable)


def read_plan(answer: download.Answer) -> Plan:
    """The month's credits of the key that asked. Raises ``SourceFailed``."""
    document, _ = _checked(answer)
    data = document.get("data")
    if not isinstance(data, dict):
        download.fail_plainly(answer, STATUSES)
    return Plan(
        _counted(data, "plan", "credit_limit_monthly"),
        _counted(data, "usage", "current_month", "credits_used"),
    )


def _counted(data: Any, *path: str) -> int | None:
    for name in path:
        data = data.get(name) if isinstance(data, dict) else None
    whole = isinstance(data, int) and not isinstance(data, bool)
    return min(data, MOST_A_MONTH) if whole and data >= 0 else None


def _checked(answer: download.Answer) -> tuple[dict[str, Any], dict[str, Any]]:
    """The document and its status, which says that all is well. Raises ``SourceFailed``."""
    document = answer.document
    status = document.get("status") if isinstance(document, dict) else None
    if not isinstance(status, dict):
        download.fail_plainly(answer, STATUSES)
    code = str(status.get("error_code", "")).strip()
    if code != "0":
        number = int(code) if code.isdecimal() and len(code) < 6 else 0
        kinds = {answer.status: CODES[number]} if number in CODES else STATUSES
        text = f"error {code or 'without a code'}: {status.get('error_message')}"
        if number not in CODES and answer.status < 300:
            raise SourceFailed(Kind.REFUSED, text[:200])
        download.fail_plainly(answer, kinds, text)
    if answer.status != 200:
        download.fail_plainly(answer, STATUSES)
    return document, status


def _row(row: Any) -> Listing:
    quote = row["quote"]
    if isinstance(quote, list):
        quote = next(item for item in [*quote, {}] if item.get("symbol", "USD") == "USD")
    else:
        quote = quote["USD"]
    return Listing(
        key=listing.key(row["id"]),
        symbol=listing.symbol(row["symbol"]),
        name=listing.name(row["name"]),
        rank=listing.whole(row.get("cmc_rank")),
        price=listing.price(quote.get("price")),
        change_1h=listing.figure(quote.get("percent_change_1h")),
        change_24h=listing.figure(quote.get("percent_change_24h")),
        change_7d=listing.figure(quote.get("percent_change_7d")),
        market_cap=listing.figure(quote.get("market_cap")),
        volume_24h=listing.figure(quote.get("volume_24h")),
    )
