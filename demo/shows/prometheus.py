"""A real Prometheus that watches a desk by the rules of deploy/prometheus."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import httpx
import yaml

from demo.desk import Desk
from demo.home import BASE_DIR, DemoError
from demo.servers import free_port
from demo.shows.running import say, until

RULES: Final = BASE_DIR / "deploy" / "prometheus" / "rules.yml"
# Seconds; a desk in earnest is asked every 15. The rules' own times are as they are.
INTERVAL: Final = 2


class Series(NamedTuple):
    """Points are seconds since 1970 and the value then."""

    labels: dict[str, str]
    points: list[tuple[float, float]]


class Prometheus:
    def __init__(self, url: str) -> None:
        self.client = httpx.Client(base_url=url, trust_env=False, timeout=30)

    def ready(self) -> bool | None:
        try:
            return self.client.get("/-/ready").is_success or None
        except httpx.TransportError:
            return None

    def over_time(self, query: str, start: float, end: float) -> list[Series]:
        asked = {"query": query, "start": start, "end": end, "step": INTERVAL}
        return [
            Series(found["metric"], [(at, float(value)) for at, value in found["values"]])
            for found in self._ask("query_range", **asked)["result"]
        ]

    def alert(self, name: str) -> dict[str, Any] | None:
        """The alert as it stands: ``state`` is pending or firing; ``None`` when all is well."""
        alerts = self._ask("alerts")["alerts"]
        return next((one for one in alerts if one["labels"]["alertname"] == name), None)

    def scraped(self) -> bool | None:
        found = self._ask("query", query='up{job="quayside"}')["result"]
        return any(one["value"][1] == "1" for one in found) or None

    def _ask(self, what: str, **asked: Any) -> dict[str, Any]:
        answer = self.client.get(f"/api/v1/{what}", params=asked)
        if answer.is_error:
            raise DemoError(f"Prometheus refuses {asked}: {answer.text}")
        data: dict[str, Any] = answer.json()["data"]
        return data


@contextmanager
def watching(desk: Desk) -> Iterator[Prometheus]:
    """Prometheus over ``desk``, once it has asked it for the first time."""
    folder = desk.home.root / "prometheus"
    folder.mkdir()
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration(desk.state()["web"])))
    port = free_port()
    command = [
        *(_program(), f"--config.file={folder / 'prometheus.yml'}"),
        *(f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}"),
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    prometheus = Prometheus(f"http://127.0.0.1:{port}")
    try:
        until(prometheus.ready, "Prometheus answers")
        until(prometheus.scraped, "Prometheus has read the desk's metrics")
        say(f"Prometheus watches by {RULES.relative_to(BASE_DIR)}")
        yield prometheus
    finally:
        prometheus.client.close()
        process.terminate()
        process.wait(timeout=20)


def configuration(web: str) -> dict[str, Any]:
    """The deployment's own, but for where the desk is, how often it is asked, and whom it tells."""
    given: dict[str, Any] = yaml.safe_load(RULES.with_name("prometheus.yml").read_text())
    every = f"{INTERVAL}s"
    desk = {"job_name": "quayside", "static_configs": [{"targets": [urlsplit(web).netloc]}]}
    return {
        "global": {**given["global"], "scrape_interval": every, "evaluation_interval": every},
        "rule_files": [str(RULES)],
        "scrape_configs": [desk],
    }


def _program() -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    program = shutil.which("prometheus", path=path)
    if program is None:
        raise DemoError("No Prometheus here: `make prometheus` fetches it.")
    return program
