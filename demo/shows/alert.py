"""``make alert``: the exchange falls silent, an alert fires; it is back, the alert is resolved."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import httpx

from demo.desk import Desk
from demo.shows.prometheus import Prometheus, watching
from demo.shows.running import running_desk, say, show, until

ALERT: Final = "QuaysideExchangeStale"


def main() -> None:
    with running_desk() as desk, watching(desk) as prometheus:
        until(lambda: _feed(desk) == "live" or None, "prices are live")
        _exchange(desk, "freeze")
        since = _clock("the exchange is frozen")
        until(lambda: _feed(desk) == "stale" or None, "prices are stale")
        since("pages show stale prices as stale")
        _until_state(prometheus, "pending")
        since(f"{ALERT} is pending")
        firing = _until_state(prometheus, "firing")
        since(f"{ALERT} fires: {firing}")
        _exchange(desk, "normal")
        since = _clock("the exchange is back")
        until(lambda: _feed(desk) == "live" or None, "prices are live again")
        since("prices are live")
        until(lambda: prometheus.alert(ALERT) is None or None, "the alert is resolved")
        since(f"{ALERT} is resolved")


def _exchange(desk: Desk, mode: str) -> None:
    url = f"{desk.state()['simulators']}/control"
    httpx.post(url, json={"mode": mode}, trust_env=False).raise_for_status()


def _feed(desk: Desk) -> str:
    """The state of prices as ``/readyz`` tells it."""
    told = httpx.get(f"{desk.state()['web']}/readyz", trust_env=False).json()
    return "live" if told["checks"]["feed"]["ok"] else "stale"


def _until_state(prometheus: Prometheus, state: str) -> str:
    """Wait for the alert to be in ``state``; what it says to who is called, and the runbook."""

    def look() -> str | None:
        alert = prometheus.alert(ALERT)
        if alert is None or alert["state"] != state:
            return None
        return f"{alert['annotations']['summary']} ({alert['annotations']['runbook']})"

    return until(look, f"the alert is {state}")


def _clock(text: str) -> Callable[[str], None]:
    """Say ``text``; what is said afterwards is told with the seconds since."""
    began = time.monotonic()
    say(text)
    return lambda later: say(f"{time.monotonic() - began:5.1f} s  {later}")


if __name__ == "__main__":
    show(main)
