"""The board in Chromium: bytes, requests, time until it answers, and whether prices move it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

import httpx
from playwright.sync_api import Browser, CDPSession, Error, Page, sync_playwright

from benchmarks.children import CannotRun

BOARD = "/rates/"
SYSTEM_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Module scripts have run when the content is loaded; a long task after that delays a first click.
OBSERVE = """
window.seen = { shift: 0, longEnd: 0, paint: 0 };
const on = (type, take) => new PerformanceObserver((list) => list.getEntries().forEach(take))
  .observe({ type, buffered: true });
on("layout-shift", (entry) => { if (!entry.hadRecentInput) window.seen.shift += entry.value; });
on("longtask", (entry) => { window.seen.longEnd = entry.startTime + entry.duration; });
on("paint", (entry) => { window.seen.paint = entry.startTime; });
"""
TIMES = """() => {
  const load = performance.getEntriesByType("navigation")[0];
  return { ...window.seen, ready: load.domContentLoadedEventEnd, first: load.responseStart };
}"""


@dataclass
class PageRow:
    """A cold visit. Bytes as they travelled; times in ms from the start of navigation."""

    path: str
    bytes: int
    document_bytes: int
    requests: int
    first_byte: float
    first_paint: float
    interactive: float
    layout_shift: float
    runs: int = 1


def measure(port: int, *, runs: int, live_seconds: float) -> PageRow:
    """Visit the board ``runs`` times with an empty cache. Raises ``CannotRun`` without Chromium."""
    # The first request of a process compiles templates; a visitor of a running desk never pays it.
    httpx.get(f"http://127.0.0.1:{port}{BOARD}", trust_env=False, timeout=30)
    with _chromium() as browser:
        visits = [_visit(browser, port, live_seconds) for _ in range(runs)]
    middle = {name: median(visit[name] for visit in visits) for name in visits[0]}
    return PageRow(
        path=BOARD,
        bytes=int(middle["bytes"]),
        document_bytes=int(middle["document"]),
        requests=int(middle["requests"]),
        first_byte=middle["first"],
        first_paint=middle["paint"],
        interactive=max(middle["paint"], middle["ready"], middle["long"]),
        layout_shift=max(visit["shift"] for visit in visits),
        runs=runs,
    )


@contextmanager
def _chromium() -> Iterator[Browser]:
    system = next(filter(None, map(shutil.which, SYSTEM_BROWSERS)), None)
    # Chromium refuses its sandbox to root.
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=system, args=flags)
        except Error as problem:
            raise CannotRun(
                "No Chromium: run `python -m playwright install chromium`."
            ) from problem
        yield browser
        browser.close()


def _visit(browser: Browser, port: int, live_seconds: float) -> dict[str, float]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.add_init_script(OBSERVE)
    transfers = _Transfers(context.new_cdp_session(page))
    answer = page.goto(f"http://127.0.0.1:{port}{BOARD}", wait_until="load")
    if answer is None or answer.status != 200:
        raise CannotRun(f"{BOARD} answers {answer.status if answer else 'nothing'}.")
    page.wait_for_timeout(500)
    times = _times(page)
    page.wait_for_timeout(live_seconds * 1000)
    shift = _times(page)["shift"]
    context.close()
    # A long task that ends after the page was ready belongs to live updates, not to loading.
    long = times["longEnd"] if times["longEnd"] <= times["ready"] + 500 else 0.0
    return {**times, "shift": shift, "long": long, **transfers.totals()}


def _times(page: Page) -> dict[str, float]:
    times: dict[str, float] = page.evaluate(TIMES)
    return times


class _Transfers:
    """Counts what the page fetches, as bytes on the wire, headers included."""

    def __init__(self, session: CDPSession) -> None:
        self.sizes: dict[str, float] = {}
        self.document = ""
        session.on("Network.requestWillBeSent", self._asked)
        session.on("Network.loadingFinished", self._finished)
        session.send("Network.enable")

    def _asked(self, event: dict[str, Any]) -> None:
        if event.get("type") == "Document" and not self.document:
            self.document = event["requestId"]

    def _finished(self, event: dict[str, Any]) -> None:
        self.sizes[event["requestId"]] = event["encodedDataLength"]

    def totals(self) -> dict[str, float]:
        return {
            "bytes": sum(self.sizes.values()),
            "requests": len(self.sizes),
            "document": self.sizes.get(self.document, 0),
        }
