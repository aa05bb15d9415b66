"""Static files as they are served: compressed, cached for ever, without a word of warning."""

from __future__ import annotations

import gzip

import pytest
from django.http import HttpResponse
from django.test import AsyncRequestFactory, RequestFactory

from config.static import StaticMiddleware

STYLE = b"body { color: black } " * 100


@pytest.fixture
def collected(settings, tmp_path):
    (tmp_path / "site.0123456789ab.css").write_bytes(STYLE)
    (tmp_path / "site.0123456789ab.css.gz").write_bytes(gzip.compress(STYLE))
    settings.STATIC_ROOT = tmp_path
    return "/static/site.0123456789ab.css"


async def page(request):
    return HttpResponse("a page")


async def get(path, **headers):
    return await StaticMiddleware(page)(AsyncRequestFactory().get(path, headers=headers))


@pytest.mark.filterwarnings("error")
async def test_a_file_is_sent_under_asgi_without_a_warning(collected):
    response = await get(collected)
    assert (response.status_code, response.content) == (200, STYLE)
    assert response["Content-Type"] == 'text/css; charset="utf-8"'


async def test_the_compressed_copy_is_sent_to_whoever_takes_it(collected):
    response = await get(collected, **{"Accept-Encoding": "gzip"})
    assert response["Content-Encoding"] == "gzip"
    assert gzip.decompress(response.content) == STYLE


async def test_a_known_file_is_not_sent_again(collected):
    known = (await get(collected))["Last-Modified"]
    response = await get(collected, **{"If-Modified-Since": known})
    assert (response.status_code, response.content) == (304, b"")


async def test_what_is_no_file_goes_on_to_the_pages(collected):
    for path in ("/rates/", "/static/../manage.py", "/static/missing.css"):
        assert (await get(path)).content == b"a page"


async def test_files_are_not_offered_to_pages_of_other_sites(collected):
    assert "Access-Control-Allow-Origin" not in await get(collected)


def test_a_file_is_sent_under_wsgi_too(collected):
    middleware = StaticMiddleware(lambda request: HttpResponse("a page"))
    response = middleware(RequestFactory().get(collected))
    assert b"".join(response) == STYLE
    response.close()
