"""A worker and a beat as containers start them are counted, and found by their health checks."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from django.conf import settings
from django.db import connection
from honcho.environ import parse_procfile

from config import task_metrics
from demo.pytest_servers import addresses_of
from foundation import tallies, valkey
from foundation.tasks import deliver_mail
from rates.constants import KEY_LEADER

ROOT: Path = settings.BASE_DIR
BIN = Path(sys.executable).parent
PROCESSES = parse_procfile((ROOT / "Procfile").read_text()).processes
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
DEADLINE = 60
pytestmark = [pytest.mark.long, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def start(tmp_path):
    """Start a line of the Procfile on the servers of this test; it ends with the test."""
    started: list[subprocess.Popen[bytes]] = []
    log = (tmp_path / "log").open("wb")

    def begin(name: str, **environment: str) -> tuple[subprocess.Popen[bytes], dict[str, str]]:
        variables = {
            **os.environ,
            **addresses_of(connection.settings_dict["NAME"]),
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "HOSTNAME": os.uname().nodename,
            **environment,
        }
        command = shlex.split(PROCESSES[name])
        process = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=log, stderr=log)
        started.append(process)
        return process, variables

    yield begin
    for process in started:
        process.terminate()
        process.wait(timeout=30)
    log.close()


def until(happened: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not happened():
        assert process.poll() is None, "it ended by itself"
        assert time.monotonic() < deadline


def healthy(name: str, variables: dict[str, str]) -> bool:
    kind, *check = SERVICES[name]["healthcheck"]["test"]
    # Outside of a container nothing is to be ended.
    check = [word.removesuffix(" --end") for word in check if word != "--end"]
    command = ["sh", "-c", check[0].replace("$$", "$")] if kind == "CMD-SHELL" else check
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, timeout=DEADLINE)
    return done.returncode == 0


def test_what_a_worker_does_is_counted_and_its_health_check_finds_it(start):
    worker, variables = start("worker")
    deliver_mail.apply_async(retry=False)
    done = (task_metrics.TASKS, deliver_mail.name, "success")
    until(lambda: tallies.read().get(done) == 1, worker)
    assert (task_metrics.SUCCEEDED_AT, deliver_mail.name) in tallies.read()
    assert healthy("worker", variables)
    worker.terminate()
    assert worker.wait(timeout=30) == 0
    assert not healthy("worker", variables)


def test_a_feed_that_stands_by_writes_the_file_that_its_health_check_looks_for(start, tmp_path):
    """It finds no exchange, and another one leads."""
    valkey.client().set(KEY_LEADER, "another", ex=60)
    feed, variables = start(
        "feed", HEARTBEAT_FILE=str(tmp_path / "heartbeat"), KRAKEN_WS_URL="ws://127.0.0.1:1"
    )
    until(lambda: healthy("feed", variables), feed)


def test_beat_writes_the_file_that_its_health_check_looks_for(start, tmp_path):
    beat, variables = start("beat", BEAT_SCHEDULE=str(tmp_path / "beat"))
    until(lambda: healthy("beat", variables), beat)
