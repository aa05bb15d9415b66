"""Who reads the metrics of all organisations, and how their answers are cached."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.permissions import Scoped
from foundation.conditional import matches
from foundation.csv_renderer import CSVRenderer
from foundation.queries import NamedFormats
from orgs.querysets import SEES_ALL
from orgs.services import rights


class ReadsAllMetrics(Scoped):
    """Those who may see every organisation; where the door is open, everybody."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if rights.metrics_open():
            return True
        known = IsAuthenticated().has_permission(request, view)
        # The scope is asked first: it says what the token lacks.
        return known and super().has_permission(request, view) and request.user.has_perm(SEES_ALL)


class MetricsView(APIView):
    permission_classes = [ReadsAllMetrics]
    content_negotiation_class = NamedFormats
    renderer_classes = [JSONRenderer, CSVRenderer, BrowsableAPIRenderer]
    # Seconds for which an answer may be shown again without asking.
    max_age: ClassVar[int] = 60

    def conditional(
        self,
        request: Request,
        state: str,
        answer: Callable[[], tuple[str, Any]],
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """What ``answer`` makes, as ``(state, body)``, or 304 for who holds ``state`` already.

        The tag is weak, since the same answer may travel compressed.
        """
        shared = {"Cache-Control": self._cache_control(), **(headers or {})}
        if matches(request.headers.get("If-None-Match"), self._etag(request, state)):
            return Response(status=304, headers={**shared, "ETag": self._etag(request, state)})
        told, body = answer()
        return Response(body, headers={**shared, "ETag": self._etag(request, told)})

    def _cache_control(self) -> str:
        return f"{'public' if rights.metrics_open() else 'private'}, max-age={self.max_age}"

    def _etag(self, request: Request, state: str) -> str:
        return f'W/"{state}-{request.accepted_renderer.format}"'
