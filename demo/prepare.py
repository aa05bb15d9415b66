"""What must be settled before Django can read its settings: secrets, ports, addresses.

``python -m demo.prepare`` writes `.quayside/env`; ``manage.py up`` then reads it like any setting.
What the environment already says is left alone, so that with ``DATABASE_URL`` and ``REDIS_URL`` set
nothing is embedded.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
from collections.abc import Mapping
from urllib.parse import urlsplit

from demo import chain_node, leftovers, servers
from demo.home import DemoError, Home

DEFAULT_PORT = 8000
# What needs no key; their operators ask for little traffic.
PUBLIC_CHAINS: list[dict[str, object]] = [
    {
        "id": 1,
        "name": "Ethereum",
        "symbol": "ETH",
        "rpc": ["https://ethereum-rpc.publicnode.com", "https://eth.drpc.org"],
        "ws": "wss://ethereum-rpc.publicnode.com",
        "block_time_ms": 12_000,
        "reorg_depth": 64,
        "multicall": chain_node.MULTICALL,
        "explorer": "https://etherscan.io",
        "tokens": {
            "0xdAC17F958D2ee523a2206206994597C13D831ec7": "USDT",
            "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48": "USDC",
            "0x6B175474E89094C44Da98b954EedeAC495271d0F": "DAI",
            "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2": "ETH",
            "0x2260FAC5E5542a773Aa44fBCfeDf7C193bc2C599": "BTC",
            "0x514910771AF9Ca656af840dff83E8264EcF986CA": "LINK",
        },
    },
    {
        "id": 8453,
        "name": "Base",
        "symbol": "ETH",
        "rpc": ["https://base-rpc.publicnode.com", "https://mainnet.base.org"],
        "ws": "wss://base-rpc.publicnode.com",
        "block_time_ms": 2_000,
        "reorg_depth": 256,
        "multicall": chain_node.MULTICALL,
        "explorer": "https://basescan.org",
        "tokens": {
            "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913": "USDC",
            "0x4200000000000000000000000000000000000006": "ETH",
        },
    },
]


def prepare(home: Home, environment: Mapping[str, str]) -> dict[str, str]:
    """Write the settings of this run and return them. Raises ``DemoError`` when it cannot run."""
    with home.lock():
        home.state_file.unlink(missing_ok=True)
        for name in leftovers.end(home):
            print(f"Ended {name}, which an earlier run left behind.")
        values = settle(home.read_env(), home, environment)
        values |= chains(home.read_env(), values, environment)
        check_web_port(int(values["PORT"]))
        home.write_env(values)
    return values


def settle(old: Mapping[str, str], home: Home, environment: Mapping[str, str]) -> dict[str, str]:
    """The settings of this run: those of the last one where they still hold."""
    sources = environment.get("SOURCES") or "simulated"
    if sources not in ("simulated", "live"):
        raise DemoError(f"SOURCES={sources} is not known: use simulated or live.")
    if home.postgres.exists() and "DATABASE_URL" not in old:
        raise DemoError(f"{home.env_file} is gone, and with it the password: run `make reset`.")
    taken: set[int] = set()
    password = urlsplit(old.get("DATABASE_URL", "")).password or secrets.token_hex(16)
    database = _port(urlsplit(old.get("DATABASE_URL", "")).port, taken)
    valkey = _port(urlsplit(old.get("REDIS_URL", "")).port, taken)
    simulators = _port(int(old.get("SIMULATORS_PORT", 0)) or None, taken)
    web = f"127.0.0.1:{web_port(environment)}"
    values = {
        "SECRET_KEY": old.get("SECRET_KEY") or secrets.token_urlsafe(50),
        "PORT": str(web_port(environment)),
        "ALLOWED_HOSTS": "localhost,127.0.0.1,[::1]",
        "DATABASE_URL": f"postgresql://{servers.POSTGRES_USER}:{password}@127.0.0.1:{database}/postgres",
        "REDIS_URL": f"redis://127.0.0.1:{valkey}/0",
        "QUAYSIDE_SOURCES": sources,
        "SIMULATORS_PORT": str(simulators),
        "SIWE_DOMAIN": web,
        "SIWE_URI": f"http://{web}",
        "SIWE_CHAINS": "31337,1,11155111",
        "STATIC_ROOT": str(home.root / "static"),
        "BEAT_SCHEDULE": str(home.root / "beat"),
    }
    if sources == "simulated":
        values["KRAKEN_WS_URL"] = f"ws://127.0.0.1:{simulators}/v2"
        values["KRAKEN_REST_URL"] = f"http://127.0.0.1:{simulators}"
        for name in ("coinmarketcap", "cryptocompare", "coingecko"):
            values[f"{name.upper()}_URL"] = f"http://127.0.0.1:{simulators}/{name}"
            # The simulators take any key; the sources that need one are not asked without.
            values[f"{name.upper()}_API_KEY"] = "simulated"
    return values


def chains(
    old: Mapping[str, str], settled: Mapping[str, str], environment: Mapping[str, str]
) -> dict[str, str]:
    """The chains to follow: the public ones, or a local one where its node can be had."""
    if environment.get("QUAYSIDE_CHAINS"):
        return {}
    if settled["QUAYSIDE_SOURCES"] == "live":
        return {"QUAYSIDE_CHAINS": _compact(PUBLIC_CHAINS)}
    problem = chain_node.install()
    if problem:
        print(f"No local chain: {problem}.")
        return {}
    taken = {urlsplit(settled[name]).port or 0 for name in ("DATABASE_URL", "REDIS_URL")}
    taken |= {int(settled["SIMULATORS_PORT"]), int(settled["PORT"])}
    port = _port(int(old.get("CHAIN_PORT", 0)) or None, taken)
    return {"CHAIN_PORT": str(port), "QUAYSIDE_CHAINS": _compact([local_chain(port)])}


def local_chain(port: int) -> dict[str, object]:
    """The local chain as ``QUAYSIDE_CHAINS`` names it."""
    return {
        "id": chain_node.CHAIN_ID,
        "name": "Local chain (simulated)",
        "symbol": "ETH",
        "rpc": [f"http://127.0.0.1:{port}"],
        "ws": f"ws://127.0.0.1:{port}",
        "block_time_ms": chain_node.BLOCK_SECONDS * 1000,
        "reorg_depth": 64,
        "multicall": chain_node.MULTICALL,
    }


def _compact(entries: list[dict[str, object]]) -> str:
    return json.dumps(entries, separators=(",", ":"))


def web_port(environment: Mapping[str, str]) -> int:
    written = environment.get("PORT") or str(DEFAULT_PORT)
    if not written.isdecimal() or not 0 < int(written) < 65536:
        raise DemoError(f"PORT={written} is not a port: use a number from 1 to 65535.")
    return int(written)


def check_web_port(port: int) -> None:
    if not is_free(port):
        raise DemoError(
            f"Port {port} is in use by another program: choose one with `make up PORT={port + 1}`."
        )


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # Without this, connections of the last run that are still being forgotten count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _port(wanted: int | None, taken: set[int]) -> int:
    """The port of the last run if it is still free, else a new one."""
    port = wanted if wanted and is_free(wanted) else servers.free_port()
    while port in taken:
        port = servers.free_port()
    taken.add(port)
    return port


def main() -> int:
    try:
        prepare(Home.from_environment(), os.environ)
    except DemoError as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
