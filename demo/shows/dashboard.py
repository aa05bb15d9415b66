"""``make dashboard``: a page of Grafana's with the answers of a real Prometheus, as one picture.

Grafana itself comes in no package that is installed here; its pages are data, and so are the
answers to their queries. ``PAGE=feed`` draws another page, ``SECONDS=300`` waits longer.
"""

from __future__ import annotations

import argparse
import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from demo.home import BASE_DIR
from demo.shows import drawing
from demo.shows.prometheus import watching
from demo.shows.running import running_desk, say, show

PAGES: Final = BASE_DIR / "deploy" / "grafana" / "dashboards"
# What visitors ask for meanwhile, a few times a second; one of them gets lost.
VISITS: Final = (
    *("/", "/rates/", "/coins/", "/chain/", "/api/v1/rates", "/api/v1/coins?limit=200"),
    *("/api/v1/rates/BTC_USD/candles", "/api/v1/blocks", "/domains/example.com", "/nowhere"),
)
PAUSE: Final = 0.1


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo.shows.dashboard")
    names = sorted(path.stem for path in PAGES.glob("*.json"))
    parser.add_argument("--page", choices=names, default="web")
    parser.add_argument("--seconds", type=float, default=60, help="how long to watch")
    parser.add_argument("--file", type=Path, help="default: .quayside/dashboard-PAGE.svg")
    options = parser.parse_args()
    file = options.file or BASE_DIR / ".quayside" / f"dashboard-{options.page}.svg"
    page = drawing.read((PAGES / f"{options.page}.json").read_text())
    with running_desk() as desk, watching(desk) as prometheus:
        start = time.time()
        with visitors(desk.state()["web"]):
            say(f"visitors come for {options.seconds:.0f} s")
            time.sleep(options.seconds)
        end = time.time()
        answers = [
            [
                line
                for target in panel["targets"]
                for line in drawing.lines(target, prometheus.over_time(target["expr"], start, end))
            ]
            for panel in page["panels"]
        ]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(drawing.draw(page, answers, start, end))
    full = sum(bool(told) for told in answers)
    say(f"{page['title']}: {full} of {len(answers)} panels have something to tell: {file}")


@contextmanager
def visitors(web: str) -> Iterator[None]:
    ended = threading.Event()

    def visit() -> None:
        with httpx.Client(base_url=web, trust_env=False, timeout=10) as client:
            for path in itertools.cycle(VISITS):
                client.get(path)
                client.put("/v1/events/example.com/delivered")
                if ended.wait(PAUSE):
                    return

    thread = threading.Thread(target=visit)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


if __name__ == "__main__":
    show(main)
