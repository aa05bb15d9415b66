"""``make trace``: one click in a browser, followed through the web process, the queue and a worker
to the rows of the database."""

from __future__ import annotations

from typing import Final

from playwright.sync_api import sync_playwright

from demo.browser import CHROMIUM_FLAGS, chromium
from demo.home import DemoError
from demo.shows.collector import Collector, Span, collecting
from demo.shows.running import running_desk, say, show, until

PAGE: Final = "/accounts/password/reset/"
REQUEST: Final = f"POST {PAGE}"
TASK: Final = "run/foundation.deliver_mail"
LONGEST: Final = 90


def main() -> None:
    with collecting() as collector:
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        with running_desk(**settings) as desk:
            click(desk.state()["web"])
            until(lambda: _worker_ended(collector), "the trace of the click, with its task")
        told = collector.trace_of(REQUEST)
    say(f"{len(told)} spans of trace {told[0].trace.hex()}")
    print("\n".join(tree(told)))


def click(web: str) -> None:
    """Ask for a new password, as a person does."""
    program = chromium()
    if program is None:
        raise DemoError("No Chromium here: `make browser` installs it, or name one in CHROMIUM.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=CHROMIUM_FLAGS)
        page = browser.new_page()
        page.goto(web + PAGE)
        page.fill("input[name=email]", "customer@demo.invalid")
        say(f"clicking at {PAGE}")
        page.click("form[method=post] button[type=submit]")
        page.wait_for_url("**/done/")
        browser.close()


def _worker_ended(collector: Collector) -> bool | None:
    """``True`` once the task is told: what it did is told before it or with it."""
    return any(span.name == TASK for span in collector.trace_of(REQUEST)) or None


def tree(spans: list[Span]) -> list[str]:
    """A line a span: when it began and how long it took in milliseconds, and what it was."""
    numbers = {span.number for span in spans}
    began = min(span.began for span in spans)
    below: dict[bytes, list[Span]] = {}
    for span in sorted(spans, key=lambda span: span.began):
        below.setdefault(span.parent if span.parent in numbers else b"", []).append(span)
    lines = [f"{'began':>9}  {'took':>9}  ms"]

    def describe(span: Span, depth: int) -> None:
        text = span.facts.get("db.query.text", "")
        what = f"{span.name}  {text}" if text else f"{span.service}  {span.name}"
        cut = what if len(what) <= LONGEST else f"{what[: LONGEST - 1]}…"
        start, took = (span.began - began) / 1e6, (span.ended - span.began) / 1e6
        lines.append(f"{start:9.1f}  {took:9.1f}  {'  ' * depth}{cut}")
        for child in below.get(span.number, []):
            describe(child, depth + 1)

    for top in below.get(b"", []):
        describe(top, 0)
    return lines


if __name__ == "__main__":
    show(main)
