"""What a configuration may be: refused when it is dangerous, silent when it is right."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.conf import settings as live_settings
from django.core.checks import run_checks
from django.db import connection

from config.checks import check_configuration

PRODUCTION = {
    "SECRET_KEY": "k3Jx-9vQ2m_7RzTq0Lw8YbN5uHs1DfGa4ECpVoXi6KlMnWtZr-e7",
    "DATABASE_URL": "postgresql://desk:secret@127.0.0.1:1/desk",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "ALLOWED_HOSTS": "desk.example.com",
    "CSRF_TRUSTED_ORIGINS": "https://desk.example.com",
    "BEHIND_PROXY": "1",
    "TRUSTED_PROXIES": "1",
    "DEFAULT_FROM_EMAIL": "desk@example.com",
}


def manage(*arguments, **changes):
    """Run manage.py with the variables of production, some changed or, with ``None``, left out."""
    wanted = {**PRODUCTION, **changes}
    environment = {name: value for name, value in wanted.items() if value is not None}
    environment["PATH"] = os.environ["PATH"]
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=live_settings.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_deploy_checks_are_clean_with_the_variables_of_production():
    done = manage("check", "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.django_db
def test_a_server_that_is_lost_is_noticed_in_seconds():
    connection.ensure_connection()
    told = connection.connection.info.get_parameters()
    assert (told["connect_timeout"], told["tcp_user_timeout"]) == ("5", "10000")
    assert int(told["keepalives_idle"]) + 3 * int(told["keepalives_interval"]) <= 30


def test_a_read_of_the_replica_waits_seconds_to_connect_and_to_be_answered():
    told = manage(
        "shell",
        "--no-imports",
        "-c",
        "from django.conf import settings; print(settings.DATABASES['replica']['OPTIONS'])",
        DATABASE_REPLICA_URL="postgresql://desk@127.0.0.1:1/desk",
        DATABASE_POOL_SIZE="0",
    )
    assert "'connect_timeout': 2" in told.stdout, told.stderr
    assert "statement_timeout=15s" in told.stdout


@pytest.mark.parametrize("name", ["SECRET_KEY", "DATABASE_URL", "REDIS_URL"])
def test_a_process_without_what_has_no_default_does_not_start(name):
    done = manage("check", **{name: None})
    assert done.returncode != 0
    assert name in done.stderr


def test_a_bad_value_names_its_variable():
    done = manage("check", QUAYSIDE_SOURCES="sometimes")
    assert done.returncode != 0
    assert "QUAYSIDE_SOURCES" in done.stderr


def test_an_error_stops_manage_py():
    done = manage("check", ALLOWED_HOSTS="*")
    assert done.returncode != 0
    assert "quayside.E002" in done.stderr


def ids():
    return {message.id for message in check_configuration(None)}


def test_the_settings_of_the_demo_are_right():
    assert ids() == set()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"DEBUG": True, "DEMO": False}, "quayside.E001"),
        ({"ALLOWED_HOSTS": ["*"], "DEMO": False}, "quayside.E002"),
        ({"ALLOWED_HOSTS": ["desk.example.com"]}, "quayside.E003"),
        ({"SECRET_KEY": "short"}, "quayside.E004"),
        ({"REDIS_URL": "127.0.0.1:6379"}, "quayside.E006"),
        ({"OPEN_ENDPOINTS": ["everything"]}, "quayside.E007"),
        ({"KRAKEN_WS_URL": "https://ws.kraken.com"}, "quayside.E008"),
        ({"KRAKEN_REST_URL": "api.kraken.com"}, "quayside.E008"),
        ({"TRUSTED_PROXIES": -1}, "quayside.E009"),
        ({"SECURE_PROXY_SSL_HEADER": ("HTTP_X", "https"), "TRUSTED_PROXIES": 0}, "quayside.W001"),
        ({"SIMULATED": True, "DEMO": False}, "quayside.W002"),
        ({"CONTENT_POLICY_REPORT_ONLY": True, "DEMO": False}, "quayside.W004"),
        ({"RATES_FOUR_EYES": "sometimes"}, "rates.E001"),
    ],
)
def test_a_dangerous_setting_is_told_by_its_id(settings, changes, expected):
    for name, value in changes.items():
        setattr(settings, name, value)
    assert expected in {message.id for message in run_checks()}


@pytest.mark.parametrize("name", ["KRAKEN_WS_URL", "COINGECKO_URL", "COINMARKETCAP_URL"])
def test_any_simulated_source_marks_the_desk_as_simulated(name):
    scheme = "ws" if name == "KRAKEN_WS_URL" else "http"
    done = manage("check", "--deploy", **{name: f"{scheme}://localhost:1"})
    assert "quayside.W002" in done.stderr


def test_another_database_than_postgresql_is_refused():
    assert "quayside.E005" in manage("check", DATABASE_URL="sqlite:///:memory:").stderr


def test_every_finding_of_ours_that_can_be_mended_says_how(settings):
    settings.ALLOWED_HOSTS = ["*"]
    settings.REDIS_URL = "nonsense"
    assert all(message.hint for message in check_configuration(None))
