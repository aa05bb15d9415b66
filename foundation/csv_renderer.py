"""Lists as CSV for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from rest_framework.renderers import BaseRenderer, JSONRenderer

# A cell that begins like this is a formula to a spreadsheet. A sign before digits is a number.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


class CSVRenderer(BaseRenderer):
    """A list of flat dictionaries with the same keys; an error stays JSON, in the envelope."""

    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        context = renderer_context or {}
        if not isinstance(data, list):
            context["response"]["Content-Type"] = JSONRenderer.media_type
            rendered: bytes = JSONRenderer().render(data)
            return rendered
        out = io.StringIO()
        writer = csv.writer(out)
        columns = data[0].keys() if data else getattr(context.get("view"), "csv_columns", ())
        if columns:
            writer.writerow(columns)
        writer.writerows([guarded(value) for value in row.values()] for row in data)
        return out.getvalue().encode()


def guarded(value: Any) -> str:
    """The cell's text, with an apostrophe before what a spreadsheet would execute."""
    text = "" if value is None else str(value)
    if text.startswith(FORMULA) and not text[1:].replace(".", "", 1).isdigit():
        return f"'{text}"
    return text
