"""CryptoCompare's list by market capitalisation. It needs a key.

There is no rank in a row: its place in the whole list is the rank. Failures mostly come with HTTP
200 and ``Response: Error``. Sponsored rows stand beside the list and are never read.
"""

from __future__ import annotations

from typing import Any, Final

from rates.coins.sources import download, listing
from rates.coins.sources.listing import Adapter, Fetched, Kind, Listing, SourceFailed

PAGE: Final = 100
SUCCESS: Final = 100
RATE_LIMIT: Final = 99
STATUSES: Final = {401: Kind.KEY, 402: Kind.PAYMENT, 403: Kind.PLAN, 429: Kind.MINUTE}


class CryptoCompare(Adapter):
    @classmethod
    def credits(cls, count: int) -> int:
        return -(-count // PAGE)

    def fetch(self, count: int) -> Fetched:
        rows: list[Listing] = []
        unreadable = 0
        pages, ends = self.credits(count), download.deadline()
        for page in range(pages):
            params: dict[str, str | int] = {"limit": PAGE, "page": page, "tsym": "USD"}
            headers = {"Authorization": f"Apikey {self.key}"}
            url = f"{self.url}/data/top/mktcapfull"
            answer = download.get(url, params, headers, ends)
            found, bad, full = read(answer, first=page * PAGE + 1)
            rows += found
            unreadable += bad
            if not full:
                break
        return Fetched(rows[:count], pages, unreadable)


def read(answer: download.Answer, *, first: int = 1) -> tuple[list[Listing], int, bool]:
    """Rows, how many were unreadable, and whether the page was full. Raises ``SourceFailed``."""
    document = answer.document
    if not isinstance(document, dict) or answer.status != 200:
        problem = document.get("Err") if isinstance(document, dict) else None
        text = str(problem["message"]) if isinstance(problem, dict) and "message" in problem else ""
        download.fail_plainly(answer, STATUSES, text)
    data = document.get("Data")
    if document.get("Type") != SUCCESS or not isinstance(data, list):
        kind = Kind.MINUTE if document.get("Type") == RATE_LIMIT else Kind.REFUSED
        raise SourceFailed(kind, str(document.get("Message") or "no list")[:200])
    ranked = list(enumerate(data, first))
    rows, unreadable = listing.read_rows(ranked, _row)
    return rows, unreadable, len(data) >= PAGE


def _row(ranked: tuple[int, Any]) -> Listing:
    rank, row = ranked
    info = row["CoinInfo"]
    # Some rows have no figures at all; the coin has its place all the same.
    figures = (row.get("RAW") or {}).get("USD") or {}
    return Listing(
        key=listing.key(info["Id"]),
        symbol=listing.symbol(info["Name"]),
        name=listing.name(info["FullName"]),
        rank=rank,
        price=listing.price(figures.get("PRICE")),
        change_1h=listing.figure(figures.get("CHANGEPCTHOUR")),
        change_24h=listing.figure(figures.get("CHANGEPCT24HOUR")),
        market_cap=listing.figure(figures.get("MKTCAP")),
        volume_24h=listing.figure(figures.get("TOTALVOLUME24HTO")),
    )
