"""One trace across the processes, told to a collector that speaks OTLP."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from django.db import connection

from accounts.models import Scope, User
from accounts.services import tokens
from demo.pytest_servers import addresses_of
from demo.servers import free_port
from demo.shows.collector import collecting
from rates.tests.desk import make_house_default, make_operator, make_pair

ROOT = Path(__file__).resolve().parents[1]
DEADLINE = 60.0
CLICK = "/_allauth/browser/v1/auth/password/request"

pytestmark = [pytest.mark.long, pytest.mark.django_db(transaction=True)]


def until(true):
    deadline = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def collector():
    with collecting() as made:
        yield made


@pytest.fixture
def start(collector, simulator, tmp_path):
    """Start a process of the desk, which tells the collector; all end after the test."""
    running = []
    environment = {
        **os.environ,
        **addresses_of(connection.settings_dict["NAME"]),
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "KRAKEN_WS_URL": simulator.ws_url,
        "KRAKEN_REST_URL": simulator.rest_url,
        "PORT": str(free_port()),
    }

    def begin(*command):
        with (tmp_path / "log").open("ab") as log:
            running.append(
                subprocess.Popen(
                    [sys.executable, *command], cwd=ROOT, env=environment, stdout=log, stderr=log
                )
            )
        return f"http://127.0.0.1:{environment['PORT']}"

    yield begin
    for process in running:
        process.terminate()
    for process in running:
        process.wait(timeout=20)


def answers(url):
    try:
        return httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def test_a_click_its_task_and_their_rows_are_one_trace(start, collector):
    User.objects.create_user("ann", "ann@example.com", "correct horse")
    worker = ("--quiet", "-A", "config", "worker", "--pool", "solo", "--queues", "default")
    start("-m", "celery", *worker)
    url = start("-m", "config.serve")
    until(lambda: answers(url))
    with httpx.Client(base_url=url, trust_env=False) as browser:
        browser.get("/_allauth/browser/v1/auth/session")
        headers = {"X-CSRFToken": browser.cookies["csrftoken"]}
        answer = browser.post(CLICK, json={"email": "ann@example.com"}, headers=headers)
        assert answer.status_code == 200, answer.text

    def whole():
        names = {span.name for span in collector.trace_of(f"POST {CLICK}")}
        return "run/foundation.deliver_mail" in names

    until(whole)
    told = collector.trace_of(f"POST {CLICK}")
    statements = {
        span.service: span.facts["db.query.text"]
        for span in told
        if "foundation_outgoingmail" in span.facts.get("db.query.text", "")
    }
    assert set(statements) == {"quayside-web", "quayside-worker"}
    # What somebody typed is in no span.
    assert not [span for span in collector.spans if "ann@example.com" in str(span.facts)]


def test_the_feed_applies_a_spread_within_the_trace_of_who_changed_it(start, collector):
    make_pair("BTC_USD")
    make_house_default()
    _, secret = tokens.create(
        user=make_operator(), name="desk", scopes=[Scope.OPERATOR], expires_at=None
    )
    start("manage.py", "stream_rates")
    url = start("-m", "config.serve")
    until(lambda: answers(url))
    body = {"unit": "bps", "buy": "12", "sell": "-12", "reason": "to be traced"}
    headers = {"Authorization": f"Bearer {secret}"}
    path = "/api/v1/rates/BTC_USD/spread"
    answer = httpx.put(f"{url}{path}", json=body, headers=headers, trust_env=False)
    assert answer.status_code == 200
    until(lambda: collector.trace_of("apply spreads"))
    until(
        lambda: (
            {"quayside-web", "quayside-stream_rates"}
            <= {span.service for span in collector.trace_of("apply spreads")}
        )
    )
