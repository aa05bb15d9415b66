"""The list as bytes: a line a coin, joined to a body of any length without rendering it again."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from foundation.csv_renderer import FORMULA
from rates.coins import constants as c
from rates.coins.services.coin_list import CoinList, Row

CSV_HEADS: Final = {
    "rank": "Rank",
    "symbol": "Symbol",
    "price": "Price USD",
    "name": "Name",
    "change_1h": "Change 1h %",
    "change_24h": "Change 24h %",
    "change_7d": "Change 7d %",
    "market_cap": "Market Cap USD",
    "volume_24h": "Volume 24h USD",
    "from": "From",
}
NUMBERS: Final = frozenset({"rank", "price", *c.FIGURES})


class Asked(NamedTuple):
    """What a request wants: how many rows, in which format, with which fields."""

    limit: int = c.USUAL
    format: str = "json"
    fields: tuple[str, ...] = c.PLAIN_FIELDS


class Body(NamedTuple):
    content: bytes
    etag: str


def json_lines(rows: Sequence[Row], fields: Sequence[str] = c.PLAIN_FIELDS) -> list[bytes]:
    return [compact({name: row[name] for name in fields}) for row in rows]


def csv_lines(rows: Sequence[Row], fields: Sequence[str] = c.PLAIN_FIELDS) -> list[bytes]:
    """Lines of RFC 4180 without their ends. No cell holds a line break: sources are cleaned."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    for row in rows:
        writer.writerow([_cell(name, row[name]) for name in fields])
    return out.getvalue().encode().split(b"\r\n")[:-1]


def body(
    shown: CoinList, asked: Asked, ready_json: Sequence[bytes], ready_csv: Sequence[bytes]
) -> Body:
    """The answer to ``asked``; the ready lines serve where it wants the plain fields."""
    plain = asked.fields == c.PLAIN_FIELDS
    rows = shown.rows[: asked.limit]
    if asked.format == "csv":
        lines = list(ready_csv[: asked.limit]) if plain else csv_lines(rows, asked.fields)
        head = ",".join(CSV_HEADS[name] for name in asked.fields).encode()
        content = b"".join(line + b"\r\n" for line in [head, *lines])
    else:
        lines = list(ready_json[: asked.limit]) if plain else json_lines(rows, asked.fields)
        meta: dict[str, Any] = {
            "count": len(rows),
            "hash": shown.hash,
            "rank_hash": shown.rank_hash,
            "simulated": shown.simulated,
        }
        if "from" in asked.fields:
            meta["sources"] = {name: at.isoformat() for name, at in shown.sources.items()}
        content = b'{"data":[\n%s],\n"meta":%s}\n' % (b",\n".join(lines), compact(meta))
    # The plain body follows from the hash; other fields may change while prices and ranks do not.
    digest = shown.hash if plain else hashlib.sha256(content).hexdigest()
    return Body(content, f'"{digest[:16]}-{asked.limit}-{asked.format}"')


def compact(facts: object) -> bytes:
    return json.dumps(facts, separators=(",", ":"), ensure_ascii=False).encode()


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return " ".join(f"{field}:{source}" for field, source in value.items())
    text = str(value)
    # A number may begin with a sign; any other text that does is a formula to a spreadsheet.
    return f"'{text}" if name not in NUMBERS and text.startswith(FORMULA) else text
