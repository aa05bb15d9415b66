"""What the addresses of this API share: formats, the next page, files that are streamed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.http import StreamingHttpResponse
from rest_framework.permissions import AllowAny
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from balances.api import tables
from foundation.conditional import ALWAYS_ASK
from foundation.csv_files import csv_file
from foundation.csv_renderer import CSVRenderer
from foundation.queries import NamedFormats


class TableView(APIView):
    """Lists as JSON or CSV; the rest as JSON."""

    content_negotiation_class = NamedFormats
    renderer_classes = [JSONRenderer, CSVRenderer, BrowsableAPIRenderer]
    # What a table without rows begins with.
    csv_columns: tuple[str, ...] = ()

    def listed(
        self, request: Request, name: str, rows: list[dict[str, Any]], following: dict[str, Any]
    ) -> Response:
        """A page of rows, and where the next one begins: ``following`` names its parameters."""
        next_url = self.next_url(request, following) if following else None
        headers = {"Cache-Control": ALWAYS_ASK}
        if next_url:
            headers["Link"] = f'<{next_url}>; rel="next"'
        if self.wants_csv(request):
            return Response([tables.flat(row) for row in rows], headers=headers)
        return Response({name: rows, "next": next_url}, headers=headers)

    def next_url(self, request: Request, following: dict[str, Any]) -> str:
        query = request.query_params.copy()
        for name, value in following.items():
            query[name] = str(value)
        return request.build_absolute_uri(f"{request.path}?{query.urlencode()}")

    def wants_csv(self, request: Request) -> bool:
        renderer: Any = request.accepted_renderer
        return bool(renderer.format == "csv")

    def file(self, name: str, parts: Iterator[str]) -> StreamingHttpResponse:
        return csv_file(name, parts)


class PublicTableView(TableView):
    permission_classes = [AllowAny]
