"""Reading an ASGI scope: headers, and who is asking."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, parse_cookie

# ASGI's own type is a union that no wrapper can name usefully.
Scope = Any
User = AbstractBaseUser | AnonymousUser


class Credential(NamedTuple):
    """What a door in front knew the user by: its name in orders, and the seconds it has left."""

    name: str
    ends_in: float | None


def header(scope: Scope, name: bytes) -> str | None:
    """The last header called ``name`` (lower case), or ``None``."""
    found = [value for key, value in scope["headers"] if key == name]
    return found[-1].decode("latin-1") if found else None


def arrived_securely(scope: Scope) -> bool:
    """Whether Django would not send this request to HTTPS instead."""
    if not settings.SECURE_SSL_REDIRECT or scope.get("scheme") == "https":
        return True
    trusted = settings.SECURE_PROXY_SSL_HEADER
    return bool(trusted) and header(scope, b"x-forwarded-proto") == trusted[1]


async def user_of(scope: Scope) -> User:
    """Who a door in front has found out, or else whose session cookie the request carries."""
    known: User | None = scope.get("user")
    return known if known is not None else await _user_of_session(scope)


def session_key(scope: Scope) -> str:
    """The key that the request's cookie names, whether or not there is such a session."""
    cookies = parse_cookie(header(scope, b"cookie") or "")
    return cookies.get(settings.SESSION_COOKIE_NAME, "")


@database_sync_to_async
def _user_of_session(scope: Scope) -> User:
    """Reads the session store, and the user's row."""
    engine = import_module(settings.SESSION_ENGINE)
    request = HttpRequest()
    request.session = engine.SessionStore(session_key(scope) or None)
    return get_user(request)
