"""The doors for whoever runs the desk: probes, metrics, the status page, and JSON errors."""

import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis
from django.db import OperationalError, connection, connections
from django.db.migrations.executor import MigrationExecutor
from redis.backoff import NoBackoff
from redis.retry import Retry

from config import health
from config.task_metrics import SUCCEEDED_AT
from foundation import tallies, valkey
from foundation.models import OutgoingMail
from orgs.services import partitions
from rates.coins.services import board as coin_board
from rates.coins.tests.market import put
from rates.services import board, pair_book
from rates.tasks import store_closed_candles
from rates.tests.desk import make_pair
from rates.tests.quotes import message, publish

pytestmark = pytest.mark.django_db


def checks(response):
    return {name: check["ok"] for name, check in response.json()["checks"].items()}


@pytest.fixture(autouse=True)
def no_coins():
    """A process remembers the last list it served."""
    coin_board.memory.forget()
    yield
    coin_board.memory.forget()


@pytest.fixture
def no_valkey(monkeypatch):
    nobody = redis.Redis(port=1, retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr(valkey, "client", lambda: nobody)


def test_the_version_is_that_of_the_changelog(client, settings):
    assert client.get("/version").json() == {"name": "Quayside", "version": settings.VERSION}


def test_browsers_find_an_icon_where_they_look_for_one(client):
    response = client.get("/favicon.ico")
    assert response["Content-Type"] == "image/svg+xml"
    assert b"<svg" in response.content


def test_a_process_is_healthy_whatever_its_servers_do(client, no_valkey):
    assert client.get("/healthz").json() == {"status": "ok"}


def test_ready_when_every_part_is_there_and_prices_are_live(client):
    publish(message())
    response = client.get("/readyz")
    assert (response.status_code, response.json()["status"]) == (200, "ready")
    parts = ["database", "valkey", "migrations", "feed", "chains"]
    spared = {"coins": False, "tasks": False, "mail": True, "events": True}
    assert checks(response) == dict.fromkeys(parts, True) | spared


def test_coins_are_told_with_their_age_and_make_nothing_unready(client):
    publish(message())
    old = datetime.now(UTC) - timedelta(minutes=10)
    put("BTC", "ETH", now=old)
    response = client.get("/readyz")
    coins = response.json()["checks"]["coins"]
    assert (response.status_code, coins["ok"], coins["needed"]) == (200, False, False)
    assert coins["age_seconds"] >= 600
    assert coins["detail"] == "2 coins, prices coingecko, ranks coingecko"
    put("BTC", "ETH")
    assert client.get("/readyz").json()["checks"]["coins"]["ok"]


def test_workers_that_stand_still_are_told_and_make_nothing_unready(client):
    publish(message())
    store_closed_candles.apply()
    tasks = client.get("/readyz").json()["checks"]["tasks"]
    assert (tasks["ok"], tasks["detail"]) == (True, "done in time")
    old = tallies.kept(SUCCEEDED_AT, store_closed_candles.name, value=time.time() - 300)
    tallies.tell(old)
    response = client.get("/readyz")
    tasks = response.json()["checks"]["tasks"]
    assert (response.status_code, tasks["ok"], tasks["needed"]) == (200, False, False)
    assert tasks["age_seconds"] >= 300


@pytest.mark.django_db(transaction=True)
def test_mail_that_no_server_takes_is_told_with_its_age(client):
    publish(message())
    OutgoingMail.objects.create(message={})
    mail = client.get("/readyz").json()["checks"]["mail"]
    assert (mail["ok"], mail["detail"]) == (True, "1 waiting")
    OutgoingMail.objects.update(added_at=datetime.now(UTC) - timedelta(hours=1))
    response = client.get("/readyz")
    mail = response.json()["checks"]["mail"]
    assert (response.status_code, mail["ok"], mail["needed"]) == (200, False, False)
    assert mail["age_seconds"] >= 3600


def test_a_frozen_exchange_is_not_ready_and_says_why(client):
    publish(message(), state="stale", reason="no_frames")
    response = client.get("/readyz")
    assert (response.status_code, checks(response)["feed"]) == (503, False)
    assert response.json()["checks"]["feed"]["detail"] == "stale: no_frames"


def test_a_silent_feed_is_not_ready_and_its_age_is_told(client):
    publish(message(), age=7)
    feed = client.get("/readyz").json()["checks"]["feed"]
    assert (feed["ok"], feed["detail"]) == (False, "stale: feed_silent")
    assert feed["age_seconds"] >= 7


def test_without_valkey_the_database_still_counts_as_there(client, no_valkey):
    response = client.get("/readyz")
    assert response.status_code == 503
    assert checks(response) == {
        "database": True,
        "valkey": False,
        "migrations": True,
        "feed": False,
        "chains": True,
        "coins": False,
        "tasks": False,
        "mail": True,
        "events": True,
    }


def test_days_that_nobody_made_for_events_are_named_and_make_nothing_unready(client):
    publish(message())
    tomorrow = partitions.name_of("orgs_event", datetime.now(UTC).date() + timedelta(days=1))
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE orgs_event DETACH PARTITION {tomorrow}")
    found = health.events()
    assert (found.ok, found.needed) == (False, False)
    assert found.detail == f"not made ahead: {tomorrow}"


def test_a_database_that_cannot_be_reached_is_named_without_its_address(client, monkeypatch):
    publish(message())
    monkeypatch.setitem(connections.settings["default"], "PORT", "1")
    response = client.get("/readyz")
    assert (response.status_code, checks(response)["database"]) == (503, False)
    assert response.json()["checks"]["database"]["detail"] == "cannot be reached"


def test_missing_migrations_are_counted(client, monkeypatch):
    monkeypatch.setattr(health._migrated, "done", False)
    monkeypatch.setattr(MigrationExecutor, "migration_plan", lambda self, targets: [("a", False)])
    assert client.get("/readyz").json()["checks"]["migrations"]["detail"] == "1 not applied"


@pytest.fixture(autouse=True)
def _patient(monkeypatch):
    """A busy machine is no part that hangs."""
    monkeypatch.setattr(health, "PATIENCE", 30.0)


def test_a_check_that_hangs_is_reported_and_not_started_twice(client, monkeypatch):
    released, started = threading.Event(), []

    def hangs():
        started.append(1)
        released.wait(30)
        return health.Health("database", True, "answers")

    monkeypatch.setattr(health, "PATIENCE", 0.05)
    monkeypatch.setitem(health.CHECKS, "database", hangs)
    details = [client.get("/readyz").json()["checks"]["database"]["detail"] for _ in range(3)]
    released.set()
    assert (set(details), started) == ({"no answer within 0.05 s"}, [1])
    health._running["database"].result(timeout=5)


def test_the_status_page_shows_each_source(client):
    publish(message(), state="stale", reason="no_frames")
    response = client.get("/status")
    assert response.status_code == 200
    assert [source.name for source in response.context["sources"]] == list(health.CHECKS)
    assert b"no_frames" in response.content


def test_metrics_tell_of_requests_the_feed_and_the_pushes(client):
    publish(message())
    client.get("/version")
    page = client.get("/metrics").content.decode()
    assert 'quayside_http_requests_total{method="GET",status="200",view="version"}' in page
    assert "quayside_feed_live 1.0" in page
    assert "quayside_live_clients" in page


def test_addresses_that_lead_nowhere_are_one_line_of_the_metrics(client):
    for name in ("a", "b", "c"):
        client.get(f"/invented-{name}")
    page = client.get("/metrics").content.decode()
    assert "invented" not in page
    assert 'view="unmatched"' in page


def test_metrics_are_served_without_valkey(client, no_valkey):
    assert b"quayside_feed_live 0.0" in client.get("/metrics").content


SCRIPT = """
import django; django.setup()
import sys
from config import metrics
from foundation.http_metrics import REQUESTS
REQUESTS.labels("version", "GET", 200).inc(int(sys.argv[1]))
print(metrics.text().decode())
"""


def test_requests_are_summed_over_all_web_processes(tmp_path):
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path),
    }
    pages = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT, count],
            env=environment,
            cwd=Path(__file__).parent.parent,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for count in ("2", "3")
    ]
    assert 'quayside_http_requests_total{method="GET",status="200",view="version"} 5.0' in pages[1]
    assert 'quayside_live_clients{pid="' in pages[1]


def test_a_mistake_of_ours_is_a_json_500_of_the_api(client, monkeypatch):
    def broken(pairs=None):
        raise RuntimeError("a secret detail")

    monkeypatch.setattr(board, "read", broken)
    client.raise_request_exception = False
    response = client.get("/api/v1/rates")
    assert (response.status_code, response.json()["error"]["code"]) == (500, "error")
    assert b"secret" not in response.content


def test_a_lost_database_is_a_503_of_the_api_that_says_when_to_come_back(client, monkeypatch):
    def lost(code):
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(pair_book, "by_code", lost)
    response = client.get("/api/v1/rates/BTC_USD/candles")
    assert (response.status_code, response["Retry-After"]) == (503, "5")


@pytest.mark.parametrize("path", ["/version", "/healthz", "/readyz", "/metrics", "/status"])
def test_the_doors_only_read_and_are_never_cached(client, path):
    assert client.post(path).status_code == 405
    assert "no-store" in client.get(path)["Cache-Control"]


def test_the_admin_sends_to_the_sign_in_page_with_its_limits(client):
    response = client.get("/admin/", follow=True)
    assert response.redirect_chain[-1][0].startswith("/accounts/login/")


def test_a_page_of_an_unknown_address_is_for_people(client):
    make_pair()
    response = client.get("/no-such-page")
    assert (response.status_code, response["Content-Type"]) == (404, "text/html; charset=utf-8")
