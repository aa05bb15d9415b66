"""System checks of ``QUAYSIDE_CHAINS``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from balances.sources import Unconfigured, with_secrets

ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)
SYMBOL: Final = re.compile(r"[A-Z0-9]{1,16}", re.ASCII)
KNOWN: Final = frozenset(
    {
        "id",
        "name",
        "symbol",
        "rpc",
        "ws",
        "block_time_ms",
        "reorg_depth",
        "multicall",
        "explorer",
        "tokens",
    }
)


@register()
def check_chains(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """``balances.E001``: an entry that cannot be used; ``balances.E002``: an id twice;
    ``balances.W001``: a word that means nothing."""
    entries: Any = settings.CHAINS
    if not isinstance(entries, list):
        return [Error("QUAYSIDE_CHAINS is no JSON list.", id="balances.E001")]
    problems: list[CheckMessage] = []
    for place, entry in enumerate(entries):
        if not isinstance(entry, Mapping):
            problems.append(_error(place, "is no object"))
            continue
        problems += [_error(place, problem) for problem in _problems(entry)]
        unknown = sorted(set(entry) - KNOWN)
        if unknown:
            text = f"QUAYSIDE_CHAINS[{place}] has {', '.join(unknown)}, which nothing reads."
            problems.append(Warning(text, id="balances.W001"))
    ids = [str(entry.get("id")) for entry in entries if isinstance(entry, Mapping)]
    twice = sorted({name for name in ids if ids.count(name) > 1})
    if twice:
        text = f"QUAYSIDE_CHAINS names {', '.join(twice)} twice."
        problems.append(Error(text, id="balances.E002"))
    return problems


def _problems(entry: Mapping[str, Any]) -> Iterator[str]:
    for key in ("id", "block_time_ms", "reorg_depth"):
        value = entry.get(key, 1 if key != "id" else None)
        # JSON's true would pass for 1.
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            yield f"needs a whole number above 0 as {key!r}"
    if not isinstance(entry.get("name"), str) or not entry["name"]:
        yield "needs a 'name'"
    urls = entry.get("rpc")
    if not isinstance(urls, list) or not urls:
        yield "needs a list of addresses as 'rpc'"
    else:
        yield from (text for url in urls if (text := _url_problem(url, ("http", "https"))))
    if entry.get("ws") and (text := _url_problem(entry["ws"], ("ws", "wss"))):
        yield text
    if entry.get("multicall") and not ADDRESS.fullmatch(str(entry["multicall"])):
        yield "needs 0x and 40 hex digits as 'multicall'"
    yield from _token_problems(entry.get("tokens", {}))


def _token_problems(tokens: Any) -> Iterator[str]:
    if not isinstance(tokens, Mapping):
        yield "needs an object of contract and price's symbol as 'tokens'"
        return
    for contract, symbol in tokens.items():
        if not ADDRESS.fullmatch(contract):
            yield "needs 0x and 40 hex digits as each of 'tokens'"
        elif not isinstance(symbol, str) or not SYMBOL.fullmatch(symbol):
            yield f"needs a symbol such as USDC for {contract} of 'tokens'"


def _url_problem(url: Any, schemes: tuple[str, ...]) -> str:
    """Without the address itself, which may hold a key."""
    if not isinstance(url, str):
        return "has an address that is no text"
    try:
        parts = urlsplit(with_secrets(url))
    except Unconfigured as problem:
        return f"has an address with a variable: {problem}"
    except ValueError:
        return "has an address that is none"
    if parts.scheme not in schemes or not parts.hostname:
        return f"has an address that does not begin with {' or '.join(schemes)}://"
    return ""


def _error(place: int, problem: str) -> Error:
    return Error(f"QUAYSIDE_CHAINS[{place}] {problem}.", id="balances.E001")
