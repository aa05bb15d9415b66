"""Long tables as CSV, sent while they are read."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable, Iterator

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse

from foundation.csv_renderer import guarded


def csv_file(name: str, parts: Iterator[str]) -> StreamingHttpResponse:
    """``parts`` one after the other, each made when the one before has been sent."""
    return StreamingHttpResponse(
        one_by_one(parts),
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{name}.csv"',
            "Cache-Control": "private, no-store",
        },
    )


def lines(rows: Iterable[Iterable[object]]) -> str:
    """Rows as text, safe to be opened by a spreadsheet."""
    out = io.StringIO()
    csv.writer(out).writerows([guarded(value) for value in row] for row in rows)
    return out.getvalue()


async def one_by_one(parts: Iterator[str]) -> AsyncIterator[str]:
    """``parts``, each made only when it is asked for, in the request's own thread."""
    # A synchronous iterator would be read to its end before the first byte is sent.
    read = sync_to_async(lambda: next(parts, None))
    while (part := await read()) is not None:
        yield part
