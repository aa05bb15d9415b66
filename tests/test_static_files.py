"""Static files as they are served: compressed, cached for ever, without a word of warning."""

from __future__ import annotations

import gzip

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from config.static import StaticMiddleware

STYLE = b"body { color: black } " * 100


@pytest.fixture
def collected(settings, tmp_path):
    (tmp_path / "site.0123456789ab.css").write_bytes(STYLE)
    (tmp_path / "site.0123456789ab.css.gz").write_bytes(gzip.compress(STYLE))
    settings.STATIC_ROOT = tmp_path
    return "/static/site.0123456789ab.css"


def page(request):
    return HttpResponse("a page")


def get(path, **headers):
    return StaticMiddleware(page)(RequestFactory().get(path, headers=headers))


@pytest.mark.filterwarnings("error")
def test_a_file_is_sent_whole_and_without_a_warning(collected):
    response = get(collected)
    assert (response.status_code, response.content) == (200, STYLE)
    assert response["Content-Type"] == 'text/css; charset="utf-8"'


def test_the_compressed_copy_is_sent_to_whoever_takes_it(collected):
    response = get(collected, **{"Accept-Encoding": "gzip"})
    assert response["Content-Encoding"] == "gzip"
    assert gzip.decompress(response.content) == STYLE


def test_a_known_file_is_not_sent_again(collected):
    known = (get(collected))["Last-Modified"]
    response = get(collected, **{"If-Modified-Since": known})
    assert (response.status_code, response.content) == (304, b"")


def test_what_is_no_file_goes_on_to_the_pages(collected):
    for path in ("/rates/", "/static/../manage.py", "/static/missing.css"):
        assert (get(path)).content == b"a page"


def test_files_are_not_offered_to_pages_of_other_sites(collected):
    assert "Access-Control-Allow-Origin" not in get(collected)
