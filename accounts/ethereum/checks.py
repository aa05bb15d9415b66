"""System checks of wallet sign-in: half a configuration is refused at start."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register


@register()
def check_wallet_sign_in(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return [*_whole(), *_address()]


def _whole() -> Iterator[CheckMessage]:
    names = ("SIWE_DOMAIN", "SIWE_URI", "SIWE_CHAINS")
    missing = [name for name in names if not getattr(settings, name)]
    if missing and len(missing) < len(names):
        yield Error(
            f"Wallet sign-in lacks {', '.join(missing)}.",
            hint="Set all three, or none to switch wallet sign-in off.",
            id="quayside.E020",
        )


def _address() -> Iterator[CheckMessage]:
    if not settings.SIWE_DOMAIN or not settings.SIWE_URI:
        return
    address = urlsplit(settings.SIWE_URI)
    if address.scheme != "https" and not settings.DEMO:
        yield Error("SIWE_URI does not begin with https://.", id="quayside.E021")
    if address.netloc != settings.SIWE_DOMAIN:
        yield Error(
            "SIWE_URI is not an address on SIWE_DOMAIN.",
            hint="For example SIWE_DOMAIN=desk.example.com SIWE_URI=https://desk.example.com.",
            id="quayside.E022",
        )
