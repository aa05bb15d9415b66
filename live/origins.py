"""Which pages may open a websocket: those of the very host and port that it is opened to.

The check protects cookies, which browsers send along with any page's websocket. A command-line
client sends neither ``Origin`` nor cookie, and may pass.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.http.request import split_domain_port, validate_host

from live.scopes import Scope, header


def is_own_origin(scope: Scope) -> bool:
    """Whether the request comes from a page of ours, or from no page and without a cookie."""
    origin = header(scope, b"origin")
    if origin is None:
        return header(scope, b"cookie") is None
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    try:
        place = urlsplit(origin)
        domain, _ = split_domain_port(place.netloc)
    except ValueError:
        return False
    # The scheme is not compared: behind a proxy that ends TLS only the proxy knows it.
    own = (header(scope, b"host") or "").lower()
    return bool(domain) and place.netloc.lower() == own and _is_ours(domain)


def _is_ours(domain: str) -> bool:
    return validate_host(domain, settings.ALLOWED_HOSTS)


class OwnOrigins:
    """Wraps a websocket application; a foreign ``Origin`` gets 403."""

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        inner = self.application if is_own_origin(scope) else WebsocketDenier()
        await inner(scope, receive, send)
