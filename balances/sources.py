"""Which chains there are and how their nodes are reached: settings and rows in, a client out."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction

from balances.models import Chain, RpcEndpoint, Token
from foundation.evm.node import Endpoint
from foundation.evm.nodes import Nodes

# Nobody decided on such a token: it was found, or taken for spam by its words.
UNJUDGED: Final = (Token.Status.UNKNOWN, Token.Status.SPAM)
VARIABLE: Final = re.compile(r"\$([A-Z][A-Z0-9_]*)")


class Unconfigured(Exception):
    """A chain without a usable endpoint, or an address that names a missing variable."""


def nodes_for(chain: Chain) -> Nodes:
    """A client of the chain's enabled endpoints, in their order. Raises ``Unconfigured``."""
    rows = list(chain.endpoints.filter(enabled=True))
    if not rows:
        raise Unconfigured(f"{chain} has no enabled endpoint")
    return Nodes([endpoint(row) for row in rows], chain_id=chain.pk)


def ways_to(chain: Chain) -> tuple[Any, ...]:
    """What a client of the chain's endpoints is made of: where it differs, another is needed.
    Nothing of a chain that is switched off."""
    columns = ("id", "url_http", "url_ws", "caps", "archive_from", "batch_max", "logs_range_max")
    usable = chain.endpoints.filter(enabled=True, chain__enabled=True)
    return tuple(usable.values_list(*columns))


def websocket_of(chain: Chain) -> str:
    """Where new heads are announced; empty where no endpoint announces any."""
    rows = chain.endpoints.filter(enabled=True).exclude(url_ws="")
    return next((with_secrets(row.url_ws) for row in rows), "")


def can_trace(chain: Chain) -> bool:
    """Whether probing found an endpoint that traces whole blocks."""
    return any("trace" in capabilities(row) for row in chain.endpoints.filter(enabled=True))


def capabilities(row: RpcEndpoint) -> frozenset[str]:
    """The names that probing found to hold; a map of name to boolean is read too."""
    caps = row.caps
    if isinstance(caps, Mapping):
        return frozenset(name for name, has in caps.items() if has is True)
    return frozenset(caps or ())


def with_secrets(url: str) -> str:
    """``$NAME`` replaced from the environment. Raises ``Unconfigured`` where it is not set."""

    def value(match: re.Match[str]) -> str:
        try:
            return os.environ[match[1]]
        except KeyError:
            raise Unconfigured(f"{match[0]} is not set") from None

    return VARIABLE.sub(value, url)


def endpoint(row: RpcEndpoint) -> Endpoint:
    return Endpoint(
        name=row.name,
        url_http=with_secrets(row.url_http),
        url_ws=with_secrets(row.url_ws),
        batch_max=row.batch_max,
        logs_range_max=row.logs_range_max,
        archive_from=row.archive_from,
        caps=capabilities(row),
    )


def sync_chains(configured: Sequence[Mapping[str, Any]] | None = None) -> list[Chain]:
    """Make rows of ``settings.CHAINS`` (or ``configured``) and return them.

    Safe to repeat. What operators added stays; what probing found stays while the address does.
    An endpoint that is named no longer is switched off.
    """
    entries = settings.CHAINS if configured is None else configured
    with transaction.atomic():
        return [_sync_chain(entry) for entry in entries]


def _sync_chain(entry: Mapping[str, Any]) -> Chain:
    known: dict[str, Any] = {"name": entry["name"]}
    columns = {
        "symbol": "native_symbol",
        "block_time_ms": "block_time_ms",
        "reorg_depth": "reorg_depth",
        "explorer": "explorer_url",
    }
    known |= {column: entry[key] for key, column in columns.items() if key in entry}
    if entry.get("multicall"):
        known["multicall_address"] = bytes.fromhex(entry["multicall"].removeprefix("0x"))
    chain, _ = Chain.objects.update_or_create(id=int(entry["id"]), defaults=known)
    _sync_tokens(chain, entry.get("tokens", {}))
    names: list[str] = []
    for place, url in enumerate(entry["rpc"]):
        names.append(_name(url, names))
        _sync_endpoint(chain, names[-1], url, entry.get("ws", "") if place == 0 else "", place)
    gone = chain.endpoints.filter(configured=True).exclude(name__in=names)
    gone.update(configured=False, enabled=False)
    return chain


def _sync_tokens(chain: Chain, named: Mapping[str, str]) -> None:
    """Contract to the symbol under which rates know its price. They are what they say they are;
    what an operator wrote since stays."""
    contracts = {bytes.fromhex(text.removeprefix("0x")): named[text] for text in named}
    known = Token.objects.filter(chain=chain, contract__in=contracts)
    new = contracts.keys() - {
        bytes(contract) for contract in known.values_list("contract", flat=True)
    }
    Token.objects.bulk_create(
        (Token(chain=chain, contract=contract) for contract in new), ignore_conflicts=True
    )
    for contract, symbol in contracts.items():
        # Not yet judged by an operator: what they set, an empty price too, is their word.
        unjudged = known.filter(contract=contract, price_symbol="")
        unjudged.filter(status__in=UNJUDGED).update(price_symbol=symbol, status=Token.Status.LISTED)


def _sync_endpoint(chain: Chain, name: str, url: str, url_ws: str, place: int) -> None:
    given = {"url_http": url, "url_ws": url_ws, "priority": 10 + place, "configured": True}
    row, created = RpcEndpoint.objects.get_or_create(chain=chain, name=name, defaults=given)
    if created:
        return
    if row.url_http != url:
        # Another node: nothing is known of it yet.
        given |= {"caps": {}, "archive_from": None, "batch_max": 100, "logs_range_max": 50}
        given |= {"last_ok_at": None}
    if not row.configured:
        # It was named before and is named again.
        given |= {"enabled": True}
    RpcEndpoint.objects.filter(pk=row.pk).update(**given)


def _name(url: str, taken: Sequence[str]) -> str:
    """The host, which is no secret; numbered where one host is named twice."""
    host = urlsplit(url).hostname or "node"
    same = sum(name == host or name.startswith(f"{host} ") for name in taken)
    return f"{host} {same + 1}" if same else host
