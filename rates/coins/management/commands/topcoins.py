from __future__ import annotations

import io
from argparse import ArgumentParser, ArgumentTypeError
from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from foundation.errors import Unavailable
from rates.coins import constants as c
from rates.coins.services import board, health, refresh, rendering
from rates.coins.services.coin_list import Row
from rates.coins.services.rendering import Asked
from rates.coins.sources import ADAPTERS

HEADS = ("Rank", "Symbol", "Name", "Price USD", "24 h %", "Market cap", "Volume 24 h")
COLUMNS = ("rank", "symbol", "name", "price", "change_24h", "market_cap", "volume_24h")
LEFT = {"Symbol", "Name"}
LONGEST_NAME = 24


def limit(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= c.MOST:
        raise ArgumentTypeError(f"allowed: whole numbers from 1 to {c.MOST}")
    return int(text)


class Command(BaseCommand):
    help = "Prints the best ranked coins as they are served, or as one source last told them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--limit", type=limit, default=20)
        parser.add_argument("--format", choices=["table", "csv", "json"], default="table")
        parser.add_argument(
            "--source", choices=list(ADAPTERS), help="only what this source said last"
        )
        parser.add_argument(
            "--refresh", action="store_true", help="ask the sources that are due first"
        )

    def handle(self, **options: Any) -> None:
        if options["refresh"]:
            refresh.refresh("price")
            refresh.refresh("rank")
            board.memory.forget()
        try:
            if options["source"]:
                self._print(health.listed(options["source"]), options)
                return
            ready = board.current()
        except Unavailable as problem:
            raise CommandError(problem.message) from problem
        if options["format"] == "table":
            self._print(ready.shown.rows, options)
            shown, now = ready.shown, board.now()
            stale = ", stale" if shown.is_stale(now) else ""
            self.stderr.write(
                f"Prices from {shown.price_source}, {_age(now, shown.as_of)} old; "
                f"ranks from {shown.rank_source}, {_age(now, shown.ranked_at)} old{stale}."
            )
            return
        body = ready.body(Asked(options["limit"], options["format"]))
        self.stdout.write(body.content.decode(), ending="")

    def _print(self, rows: list[Row], options: dict[str, Any]) -> None:
        rows = rows[: options["limit"]]
        if options["format"] == "json":
            text = b",\n".join(rendering.json_lines(rows)).decode()
            self.stdout.write(f'{{"data":[\n{text}]}}')
        elif options["format"] == "csv":
            head = ",".join(rendering.CSV_HEADS[name] for name in c.PLAIN_FIELDS)
            lines = [head, *(line.decode() for line in rendering.csv_lines(rows))]
            self.stdout.write("".join(f"{line}\r\n" for line in lines), ending="")
        else:
            self.stdout.write(table([HEADS, *(_cells(row) for row in rows)]))


def table(lines: list[tuple[str, ...]]) -> str:
    """Columns side by side, figures to the right."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    out = io.StringIO()
    for line in lines:
        cells = [
            text.ljust(width) if head in LEFT else text.rjust(width)
            for text, width, head in zip(line, widths, lines[0], strict=True)
        ]
        out.write("  ".join(cells).rstrip() + "\n")
    return out.getvalue().rstrip("\n")


def _cells(row: Row) -> tuple[str, ...]:
    return tuple(_text(name, row.get(name)) for name in COLUMNS)


def _text(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name in ("market_cap", "volume_24h"):
        return f"{Decimal(value):,.0f}"
    if name == "change_24h":
        return f"{Decimal(value):+.2f}"
    if name == "price":
        whole, point, places = str(value).partition(".")
        return f"{int(whole):,}{point}{places}"
    return str(value)[:LONGEST_NAME]


def _age(now: Any, moment: Any) -> str:
    return f"{max(0, int((now - moment).total_seconds()))} s"
