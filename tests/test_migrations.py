"""Migrations that a running desk survives: linted, impatient, and good enough for older code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.core.management.commands.migrate import Command as Migrate
from django.db import connection
from django_migration_linter import MigrationLinter

from orgs.tests.companies import make_org
from rates.tests.desk import make_house_default, make_operator, make_pair

ROOT = settings.BASE_DIR
# Migrations of before the first release, which meet no data and no older code.
BASELINE = Path(__file__).with_name("migrations_baseline.txt")
OURS = ("accounts", "accounts_ethereum", "balances", "foundation", "orgs", "rates")


def baseline():
    return {line.split("#")[0].strip() for line in BASELINE.read_text().splitlines()} - {""}


@pytest.mark.django_db
def test_new_migrations_lock_nothing_for_long_and_break_no_older_code(capsys):
    linter = MigrationLinter(no_cache=True, include_apps=OURS, all_warnings_as_errors=True)
    wrong = []
    for (app, name), migration in sorted(linter.migration_loader.disk_migrations.items()):
        if app in OURS and f"{app}.{name}" not in baseline():
            before = linter.nb_erroneous
            linter.lint_migration(migration)
            wrong += [f"{app}.{name}"] if linter.nb_erroneous > before else []
    assert wrong == [], capsys.readouterr().out


@pytest.mark.django_db
def test_the_baseline_names_migrations_that_there_are():
    loader = MigrationLinter(no_cache=True).migration_loader
    assert baseline() <= {f"{app}.{name}" for app, name in loader.disk_migrations}


@pytest.mark.django_db(transaction=True)
def test_a_migration_gives_up_rather_than_queue_up_behind_a_long_query(monkeypatch):
    from config.management.commands import migrate

    monkeypatch.setattr(migrate, "LOCK_TIMEOUT", "50ms")

    def waits(self, *args, **options):
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE rates_pair ADD COLUMN extra int")

    monkeypatch.setattr(Migrate, "handle", waits)
    with psycopg.connect(**connection.get_connection_params() | {"cursor_factory": None}) as busy:
        busy.execute("SELECT count(*) FROM rates_pair")
        with pytest.raises(CommandError, match="Given up so that nobody waits"):
            call_command("migrate")
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("0",)


SMOKE = """
import json, sys, django
django.setup()
from django.conf import settings
plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
from django.test import Client
from accounts.models import User
address = sys.argv[1]
client = Client(raise_request_exception=False)
client.force_login(User.objects.get(username="operator"))
asked = {}
for path in ("/", "/status", "/rates", "/api/v1/rates/BTC_USD/candles", "/api/metrics/dau",
             "/api/metrics/top-orgs", "/api/v1/chains", "/accounts/login/"):
    asked["GET " + path] = client.get(path).status_code
asked["PUT event"] = client.put("/v1/events/example.com/delivered").status_code
asked["GET verdict"] = client.get("/v1/domain/example.com").status_code
spread = {"unit": "bps", "buy": "60", "sell": "-60", "reason": "an upgrade"}
path = "/api/v1/rates/BTC_USD/spread"
kind = "application/json"
asked["PUT spread"] = client.put(path, json.dumps(spread), content_type=kind).status_code
watch = json.dumps({"address": address, "label": "till"})
asked["POST watch"] = client.post("/api/v1/watches", watch, content_type=kind).status_code
form = {"email": "new@example.com"} | dict.fromkeys(["password1", "password2"], "a long enough one")
asked["POST signup"] = client.post("/accounts/signup/", form).status_code
print(json.dumps(asked))
"""


def git(*arguments):
    """Skips where the history is not there: in an archive, or cut off (`git clone --depth`)."""
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        told = subprocess.run(
            ["git", "rev-parse", "--is-shallow-repository"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        # There, whole, and not to be read: a refusal of git's is no reason to be content.
        there = (ROOT / ".git").exists() and told.stdout.strip() != "true"
        assert not (there and os.environ.get("CI")), done.stderr
        pytest.skip(f"without its history the version before cannot be had: {done.stderr.strip()}")
    return done.stdout.strip()


@pytest.fixture
def version_before(tmp_path):
    """The code as it was before the newest migration, which runs while that one is deployed."""
    newest = git("log", "-1", "--format=%H", "--", "*/migrations/0*.py")
    git("archive", "--output", str(tmp_path / "code.tar"), f"{newest}^")
    with tarfile.open(tmp_path / "code.tar") as code:
        code.extractall(tmp_path / "code", filter="data")
    return tmp_path / "code"


@pytest.mark.django_db(transaction=True)
def test_the_code_of_before_reads_and_writes_the_newest_schema(version_before):
    make_house_default()
    make_pair()
    make_org("Quay Union", actions=3)
    make_operator()
    database = os.environ["DATABASE_URL"].rsplit("/", 1)[0] + f"/{connection.settings_dict['NAME']}"
    done = subprocess.run(
        [sys.executable, "-c", SMOKE, "0x" + "11" * 20],
        env={**os.environ, "DATABASE_URL": database, "DJANGO_SETTINGS_MODULE": "config.settings"},
        cwd=version_before,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    asked = json.loads(done.stdout.splitlines()[-1])
    assert {name: status for name, status in asked.items() if status >= 400} == {}
