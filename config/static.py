"""Static files: hashed names in pages, compressed copies beside them, served without blocking."""

from __future__ import annotations

from typing import Any

from django.http import FileResponse, HttpRequest, HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticStorage(CompressedManifestStaticFilesStorage):
    """WhiteNoise's storage, which also rewrites the imports between our ES modules.

    Without this an ES module would import its neighbour by its unhashed name and a browser could
    mix versions of two files for as long as its cache lasts.
    """

    support_js_module_import_aggregation = True


class StaticMiddleware(WhiteNoiseMiddleware):
    """WhiteNoise's middleware, whose files are no iterators, of which ASGI servers would block."""

    @staticmethod
    def serve(static_file: Any, request: HttpRequest) -> HttpResponse:  # type: ignore[override]
        return whole(WhiteNoiseMiddleware.serve(static_file, request))


def whole(response: FileResponse) -> HttpResponse:
    """The response with its file read into memory: the files are ours, small and known."""
    content = b"".join(response)
    # Not response.close(), which would tell everybody that the request is over.
    if response.file_to_stream is not None:
        response.file_to_stream.close()
    answer = HttpResponse(content, status=response.status_code)
    answer.headers = response.headers
    return answer
