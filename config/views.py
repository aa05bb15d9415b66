"""The doors for whoever runs the desk, and the answers to what went wrong elsewhere."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.views import defaults
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_safe
from drf_spectacular.views import SpectacularSwaggerSplitView
from prometheus_client import CONTENT_TYPE_LATEST

from config import health, metrics
from foundation.errors import RateLimited, envelope
from foundation.icons import TAB_ICON

API = "/api/"
# Seconds.
WAIT = 60


@require_safe
@never_cache
def version(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"name": settings.SITE_NAME, "version": settings.VERSION})


@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """This process answers. Asks nobody: a restart of it would not bring a database back."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when every part that is needed is there and prices are live, else 503; with details."""
    found = health.report()
    ready = all(part.ok for part in found if part.needed)
    checks = {
        part.name: {
            "ok": part.ok,
            "needed": part.needed,
            "detail": part.detail,
            "age_seconds": part.age_seconds,
        }
        for part in found
    }
    body = {"status": "ready" if ready else "not_ready", "checks": checks}
    return JsonResponse(body, status=200 if ready else 503)


@require_safe
@never_cache
def prometheus(request: HttpRequest) -> HttpResponse:
    return HttpResponse(metrics.text(), content_type=CONTENT_TYPE_LATEST)


@require_safe
@never_cache
def status(request: HttpRequest) -> HttpResponse:
    """A page for people: each source, its state and its age."""
    return render(request, "status.html", {"sources": health.report()})


@require_safe
@cache_control(public=True, max_age=86_400)
def favicon(request: HttpRequest) -> HttpResponse:
    """For pages that are not ours to write, such as the browsable API's."""
    return HttpResponse(TAB_ICON, content_type="image/svg+xml")


@method_decorator(never_cache, name="dispatch")
class ApiDocs(SpectacularSwaggerSplitView):
    """Swagger UI from our own origin; its styles and start-up script are files of their own."""


# --- Errors ---------------------------------------------------------------------


def api_not_found(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    body = envelope("not_found", "There is nothing at this address.")
    return JsonResponse(body, status=404)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path.startswith(API):
        body = envelope("bad_request", "This request could not be understood.")
        return JsonResponse(body, status=400)
    return defaults.bad_request(request, exception)


def too_many_requests(request: HttpRequest, exception: object = None) -> HttpResponse:
    """What allauth's limits answer with. They do not say when, so the shortest of them stands."""
    if request.path.startswith(API):
        body = envelope(RateLimited.code, "Too many attempts. Wait a little.")
        response: HttpResponse = JsonResponse(body, status=429)
    else:
        response = render(request, "429.html", status=429)
    response["Retry-After"] = str(WAIT)
    return response


def server_error(request: HttpRequest) -> HttpResponse:
    if request.path.startswith(API):
        body = envelope("error", "Something went wrong on our side; it is logged.")
        return JsonResponse(body, status=500)
    return defaults.server_error(request)
