"""``python -m demo.simulators --port 8100``: the simulated exchange, until it is told to stop."""

from __future__ import annotations

import argparse
import secrets

import uvicorn

from demo.simulators.app import Application


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m demo.simulators",
        description="Kraken websocket v2 at /v2, Kraken REST at /0/public, control at /control.",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rate", type=float, default=60, help="ticks per second, all pairs")
    parser.add_argument("--seed", type=int, help="repeat a walk; default: a new one each time")
    options = parser.parse_args()
    seed = secrets.randbelow(2**31) if options.seed is None else options.seed
    uvicorn.run(
        Application(rate=options.rate, seed=seed),
        host=options.host,
        port=options.port,
        log_level="warning",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main()
