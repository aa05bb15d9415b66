"""CoinGecko's markets, without a key: price, rank and figures in one call for 250 coins."""

from __future__ import annotations

from typing import Any, Final

from rates.coins.sources import download, listing
from rates.coins.sources.listing import Adapter, Fetched, Kind, Listing, SourceFailed

PAGE: Final = 250
STATUSES: Final = {401: Kind.KEY, 402: Kind.PAYMENT, 403: Kind.PLAN, 429: Kind.MINUTE}


class CoinGecko(Adapter):
    @classmethod
    def credits(cls, count: int) -> int:
        return -(-count // PAGE)

    def past_week(self, count: int) -> list[tuple[Listing, list[str]]]:
        """The coins with their prices of the last seven days, an hour apart, oldest first.

        Costs what ``fetch`` costs, and is many times as long. Raises ``SourceFailed``.
        """
        found: list[tuple[Listing, list[str]]] = []
        ends = download.deadline()
        for page in range(1, self.credits(count) + 1):
            answer = self._page(page, {"sparkline": "true"}, ends)
            read(answer)
            found += [week for row in answer.document if (week := _week(row)) is not None]
        return found

    def _page(self, page: int, more: dict[str, str | int], ends: float) -> download.Answer:
        params: dict[str, str | int] = {
            "vs_currency": "usd",
            "order": "market_cap_desc",
            "per_page": PAGE,
            "page": page,
            "precision": "full",
            **more,
        }
        headers = {"x-cg-demo-api-key": self.key} if self.key else {}
        return download.get(f"{self.url}/api/v3/coins/markets", params, headers, ends)

    def fetch(self, count: int) -> Fetched:
        rows: list[Listing] = []
        unreadable = 0
        pages, ends = self.credits(count), download.deadline()
        more: dict[str, str | int] = {"price_change_percentage": "1h,24h,7d"}
        for page in range(1, pages + 1):
            found, bad = read(self._page(page, more, ends))
            rows += found
            unreadable += bad
            if len(found) + bad < PAGE:
                break
        return Fetched(rows[:count], pages, unreadable)


def read(answer: download.Answer) -> tuple[list[Listing], int]:
    """Rows, and how many were unreadable. Raises ``SourceFailed``."""
    document = answer.document
    if not isinstance(document, list) or answer.status != 200:
        status = document.get("status") if isinstance(document, dict) else None
        if not isinstance(status, dict):
            download.fail_plainly(answer, STATUSES)
        code = status.get("error_code")
        text = f"error {code}: {status.get('error_message')}"
        if answer.status < 300:
            kind = STATUSES.get(code) if isinstance(code, int) else None
            raise SourceFailed(kind or Kind.REFUSED, text[:200])
        download.fail_plainly(answer, STATUSES, text)
    return listing.read_rows(document, _row)


def _week(row: Any) -> tuple[Listing, list[str]] | None:
    """``None`` for a row without a past; hours without a price are left out at its beginning."""
    try:
        listed, given = _row(row), row["sparkline_in_7d"]["price"]
        prices = [listing.price(value) for value in given]
    except (TypeError, LookupError, ValueError, AttributeError, ArithmeticError):
        return None
    known = [price for price in prices if price is not None]
    # A hole would move every hour before it.
    return (listed, known) if known and None not in prices[len(prices) - len(known) :] else None


def _row(row: Any) -> Listing:
    day = row.get("price_change_percentage_24h_in_currency")
    return Listing(
        key=listing.key(row["id"]),
        symbol=listing.symbol(row["symbol"]),
        name=listing.name(row["name"]),
        rank=listing.whole(row.get("market_cap_rank")),
        price=listing.price(row.get("current_price")),
        change_1h=listing.figure(row.get("price_change_percentage_1h_in_currency")),
        change_24h=listing.figure(row.get("price_change_percentage_24h") if day is None else day),
        change_7d=listing.figure(row.get("price_change_percentage_7d_in_currency")),
        market_cap=listing.figure(row.get("market_cap")),
        volume_24h=listing.figure(row.get("total_volume")),
    )
