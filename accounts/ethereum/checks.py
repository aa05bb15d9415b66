"""System checks of wallet sign-in: half a configuration is refused at start."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@register()
def check_wallet_sign_in(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return [*_whole(), *_address(), *_nodes()]


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


def _nodes() -> Iterator[CheckMessage]:
    unknown = sorted(set(settings.SIWE_SMART_WALLETS) - set(settings.SIWE_CHAINS))
    if unknown:
        yield Error(
            f"SIWE_SMART_WALLETS names {', '.join(map(str, unknown))}, which SIWE_CHAINS does not.",
            hint="Add the chain to SIWE_CHAINS, or take its node away.",
            id="quayside.E023",
        )
    # The addresses stay out of the messages: they often hold a key.
    for chain_id, endpoint in settings.SIWE_SMART_WALLETS.items():
        yield from _node(chain_id, endpoint)


def _node(chain_id: int, endpoint: str) -> Iterator[CheckMessage]:
    try:
        address = urlsplit(endpoint)
        # Reading a port that is no number raises.
        usable = address.scheme in ("http", "https") and address.hostname and address.port != 0
    except ValueError:
        usable = False
    if not usable:
        yield Error(
            f"SIWE_SMART_WALLETS has no address that begins with https:// for chain {chain_id}.",
            hint="For example SIWE_SMART_WALLETS=1=https://rpc.example.com.",
            id="quayside.E024",
        )
    elif address.scheme == "http" and address.hostname not in LOOPBACK:
        yield Warning(
            f"The node of chain {chain_id} is asked over plain http://, and decides who signs in.",
            hint="Use https://, unless nobody else is on the network between.",
            id="quayside.W003",
        )
