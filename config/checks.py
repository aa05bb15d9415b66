"""System checks: a bad configuration is refused at start, with an id to look up.

docs/operations.md lists the ids. Each check looks at settings alone and returns what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

LONG_ENOUGH: Final = 50
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]", ".localhost", "testserver"})
VALKEY_SCHEMES: Final = frozenset({"redis", "rediss", "unix"})
# Doors of replaced systems that QUAYSIDE_OPEN_ENDPOINTS can open: single-event PUTs, and metrics.
OPEN_ENDPOINTS: Final[frozenset[str]] = frozenset({"events", "metrics"})


@register()
def check_configuration(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return [message for check in CHECKS for message in check()]


def _debug() -> Iterator[CheckMessage]:
    if settings.DEBUG and not settings.DEMO:
        yield Error(
            "DEBUG is on: error pages would show settings and source code.",
            hint="Remove DEBUG from the environment.",
            id="quayside.E001",
        )


def _hosts() -> Iterator[CheckMessage]:
    if "*" in settings.ALLOWED_HOSTS:
        yield Error(
            "ALLOWED_HOSTS holds '*', which also switches the websocket's origin check off.",
            hint="Name the hosts that people type, for example desk.example.com.",
            id="quayside.E002",
        )
    public = [host for host in settings.ALLOWED_HOSTS if host not in LOOPBACK]
    if settings.DEMO and public:
        yield Error(
            f"Demo mode is on while ALLOWED_HOSTS names {', '.join(public)}.",
            hint="Demo mode prints passwords and opens doors: remove QUAYSIDE_DEMO.",
            id="quayside.E003",
        )


def _secret_key() -> Iterator[CheckMessage]:
    if len(settings.SECRET_KEY) < LONG_ENOUGH:
        yield Error(
            f"SECRET_KEY has {len(settings.SECRET_KEY)} characters, fewer than {LONG_ENOUGH}.",
            hint="Make one: python -c 'import secrets; print(secrets.token_urlsafe(50))'",
            id="quayside.E004",
        )


def _database() -> Iterator[CheckMessage]:
    engine = settings.DATABASES["default"]["ENGINE"]
    if engine != "foundation.postgresql":
        yield Error(
            f"DATABASE_URL asks for {engine}; only PostgreSQL has what the desk is built on.",
            hint="Use postgresql://user:password@host:5432/name.",
            id="quayside.E005",
        )


def _valkey() -> Iterator[CheckMessage]:
    if urlsplit(settings.REDIS_URL).scheme not in VALKEY_SCHEMES:
        yield Error(
            "REDIS_URL does not begin with redis://, rediss:// or unix://.",
            hint="Use redis://host:6379/0.",
            id="quayside.E006",
        )


def _open_endpoints() -> Iterator[CheckMessage]:
    unknown = sorted(set(settings.OPEN_ENDPOINTS) - OPEN_ENDPOINTS)
    if unknown:
        known = ", ".join(sorted(OPEN_ENDPOINTS))
        yield Error(
            f"QUAYSIDE_OPEN_ENDPOINTS names {', '.join(unknown)}, which is not a door.",
            hint=f"Known: {known}.",
            id="quayside.E007",
        )


def _exchange() -> Iterator[CheckMessage]:
    wanted = {"KRAKEN_WS_URL": ("ws", "wss"), "KRAKEN_REST_URL": ("http", "https")}
    for name, schemes in wanted.items():
        address = urlsplit(getattr(settings, name))
        if address.scheme not in schemes or not address.hostname:
            yield Error(
                f"{name} is not an address that begins with {schemes[1]}://.",
                hint="Leave it out to use the exchange's own.",
                id="quayside.E008",
            )


def _proxies() -> Iterator[CheckMessage]:
    if settings.TRUSTED_PROXIES < 0:
        yield Error("TRUSTED_PROXIES is below zero.", id="quayside.E009")
    behind_proxy = bool(getattr(settings, "SECURE_PROXY_SSL_HEADER", None))
    if behind_proxy and settings.TRUSTED_PROXIES == 0:
        yield Warning(
            "BEHIND_PROXY is on with TRUSTED_PROXIES at 0: all visitors share one rate limit.",
            hint="Set TRUSTED_PROXIES to the number of proxies in front, usually 1.",
            id="quayside.W001",
        )


def _simulated() -> Iterator[CheckMessage]:
    if settings.SIMULATED and not settings.DEMO:
        yield Warning(
            "Prices come from a simulated exchange outside demo mode.",
            hint="Remove QUAYSIDE_SOURCES and KRAKEN_WS_URL, or set QUAYSIDE_SOURCES=live.",
            id="quayside.W002",
        )


def _content_policy() -> Iterator[CheckMessage]:
    if settings.CONTENT_POLICY_REPORT_ONLY and not settings.DEMO:
        yield Warning(
            "The content policy is only reported: a script from elsewhere would run.",
            hint="Remove CONTENT_POLICY_REPORT_ONLY once the reports are quiet.",
            id="quayside.W004",
        )


CHECKS: Final[tuple[Callable[[], Iterator[CheckMessage]], ...]] = (
    _debug,
    _hosts,
    _secret_key,
    _database,
    _valkey,
    _open_endpoints,
    _exchange,
    _proxies,
    _simulated,
    _content_policy,
)
