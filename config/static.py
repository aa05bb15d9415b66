"""Static files: hashed names in pages, compressed copies beside them, served without blocking."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticStorage(CompressedManifestStaticFilesStorage):
    """WhiteNoise's storage, which also rewrites the imports between our ES modules.

    Without this an ES module would import its neighbour by its unhashed name and a browser could
    mix versions of two files for as long as its cache lasts.
    """

    support_js_module_import_aggregation = True


class StaticMiddleware(WhiteNoiseMiddleware):
    """WhiteNoise's middleware, which under ASGI neither costs a thread nor streams from a file.

    As a plain synchronous middleware it would send every request of the site through a thread, and
    Django warns of its file iterators (docs/decisions/0008).
    """

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        super().__init__(get_response)  # type: ignore[no-untyped-call]
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:  # type: ignore[override]
        if iscoroutinefunction(self):
            return self._answer(request, self.get_response)
        return super().__call__(request)  # type: ignore[no-untyped-call]

    async def _answer(
        self, request: HttpRequest, next_one: Callable[[HttpRequest], Awaitable[HttpResponseBase]]
    ) -> HttpResponseBase:
        find = self.find_file if self.autorefresh else self.files.get
        static_file = find(request.path_info)
        if static_file is None:
            return await next_one(request)
        response = self.serve(static_file, request)  # type: ignore[no-untyped-call]
        return await asyncio.to_thread(whole, response)


def whole(response: FileResponse) -> HttpResponse:
    """The response with its file read into memory: the files are ours, small and known."""
    try:
        content = b"".join(response)
    finally:
        response.close()
    answer = HttpResponse(content, status=response.status_code)
    answer.headers = response.headers
    return answer
