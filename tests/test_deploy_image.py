"""The image: its Dockerfile is linted, and its commands run in a copy of what it would hold."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pathspec
import pytest
from django.conf import settings
from honcho.environ import parse_procfile

from foundation import valkey
from rates.constants import KEY_FEED

ROOT: Path = settings.BASE_DIR
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
LAST_STAGE = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
PROCESSES = parse_procfile((ROOT / "Procfile").read_text()).processes
SETTINGS = {
    "SECRET_KEY": "not-a-secret-" * 5,
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "ALLOWED_HOSTS": "desk.example.com",
    "BEHIND_PROXY": "1",
    "TRUSTED_PROXIES": "1",
}


def outside(**more):
    """The environment of a container: nothing of this run's but the path."""
    return {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **SETTINGS, **more}


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """What ``COPY . .`` copies: the tracked files, less those of .dockerignore."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    ignored = pathspec.PathSpec.from_lines("gitignore", _for_git(lines))
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    target = tmp_path_factory.mktemp("image")
    for name in listed.stdout.splitlines():
        if not ignored.match_file(name) and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target / name)
    return target


def _for_git(lines):
    # Git, unlike Docker, takes no file back out of a folder that is left out.
    return ["/deploy/**" if line == "/deploy" else line for line in lines]


def run(image, *command, **more):
    return subprocess.run(
        [sys.executable, *command],
        cwd=image,
        env=outside(**more),
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_dockerfile_has_no_faults():
    linter = Path(sys.executable).with_name("hadolint")
    if not linter.exists():
        pytest.skip("hadolint comes with requirements-dev.txt")
    found = subprocess.run(
        [linter, "--no-color", ROOT / "deploy" / "Dockerfile"], capture_output=True, text=True
    )
    assert (found.returncode, found.stdout) == (0, "")


def test_the_image_runs_as_somebody_without_rights_known_by_number():
    assert re.search(r"^USER 10001:10001$", LAST_STAGE, re.MULTILINE)


def test_the_image_starts_the_web_process_unless_told_otherwise():
    command = LAST_STAGE[LAST_STAGE.rindex("\nCMD ") + 5 :].strip()
    assert command == '["python", "-m", "config.serve"]'
    assert shlex.split(PROCESSES["web"]) == ["python", "-m", "config.serve"]


def test_base_images_have_exact_versions_and_are_the_same():
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+", bases[0])


def test_what_the_image_copies_exists():
    for source in re.findall(r"^COPY (?!--from)(\S+) ", DOCKERFILE, re.MULTILINE):
        assert (ROOT / source).exists()


def test_the_image_holds_no_tests_no_demo_and_no_history(image):
    names = {path.name for path in image.iterdir()}
    assert {"manage.py", "config", "CHANGELOG.md", "static", "templates"} <= names
    assert not {"tests", "demo", "docs", ".git", "conftest.py", "benchmarks"} & names
    assert [path.name for path in (image / "deploy").iterdir()] == ["healthcheck.py"]
    assert not list(image.rglob("tests"))


def test_static_files_are_collected_with_the_variables_that_the_build_has(image):
    built = re.search(
        r"^RUN (SECRET_KEY=.*?) \\$\n    /venv/bin/python (.*?) \\$", DOCKERFILE, re.M
    )
    assert built
    assert shlex.split(built[2]) == ["manage.py", "collectstatic", "--noinput"]
    done = subprocess.run(
        # Compressing takes most of the time; that everything is found is what is asked here.
        [sys.executable, "manage.py", "collectstatic", "--noinput", "--dry-run"],
        cwd=image,
        env={"PATH": os.environ["PATH"], **dict(w.split("=", 1) for w in built[1].split())},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"[1-9]\d+ static files? copied", done.stdout)


def test_what_is_in_the_image_passes_the_checks_of_a_deployment(image):
    done = run(image, "manage.py", "check", "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_the_web_process_of_the_image_runs_and_its_health_check_finds_it(image, tmp_path):
    """Nothing it needs is there, which a probe of the process alone does not mind."""
    port = str(free_port())
    assert run(image, "deploy/healthcheck.py", "web", PORT=port).returncode == 1
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "config.serve"],
            cwd=image,
            env=outside(PORT=port, STATIC_ROOT=str(tmp_path)),
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + 60
        while run(image, "deploy/healthcheck.py", "web", PORT=port).returncode:
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline
    finally:
        process.terminate()
        process.wait(timeout=20)


# --- The other health checks ----------------------------------------------------------------------


def feed_check(folder):
    environment = {"HEARTBEAT_FILE": str(folder / "heartbeat")}
    return run(ROOT, "deploy/healthcheck.py", "feed", **environment).returncode


def test_a_feed_is_healthy_by_its_own_sign_of_life_whoever_leads(tmp_path):
    seconds, _ = valkey.client().time()
    valkey.client().hset(KEY_FEED, "beat", f"{seconds}.000001")
    assert feed_check(tmp_path) == 1
    (tmp_path / "heartbeat").touch()
    assert feed_check(tmp_path) == 0
    os.utime(tmp_path / "heartbeat", (0, 0))
    assert feed_check(tmp_path) == 1


def test_a_worker_is_not_restarted_because_the_broker_is_away():
    done = run(ROOT, "deploy/healthcheck.py", "worker", "celery@here")
    assert done.returncode == 0, done.stderr


@pytest.fixture
def health():
    path = ROOT / "deploy" / "healthcheck.py"
    specification = importlib.util.spec_from_file_location("healthcheck", path)
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def stuck():
    """A process that neither works nor ends when it is asked to."""
    line = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); "
    with subprocess.Popen(
        [sys.executable, "-c", f"{line}signal.pause()"], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        process.stdout.readline()
        yield process
        process.kill()


def test_what_hangs_is_asked_to_end_and_then_ended(health, stuck, tmp_path, monkeypatch):
    monkeypatch.setattr(health, "BEGINNING", 0)
    count = tmp_path / "count"
    for _ in range(health.TOO_MANY):
        health.end_if_stuck(False, count, stuck.pid)
    assert stuck.poll() is None
    health.end_if_stuck(False, count, stuck.pid)
    assert stuck.wait(timeout=20) == -signal.SIGKILL


def test_what_answers_between_or_has_just_begun_is_left_alone(health, stuck, tmp_path, monkeypatch):
    count = tmp_path / "count"
    for _ in range(9):
        health.end_if_stuck(False, count, stuck.pid)
    monkeypatch.setattr(health, "BEGINNING", 0)
    for works in (False, False, False, True) * 3:
        health.end_if_stuck(works, count, stuck.pid)
    assert stuck.poll() is None


def test_beat_is_healthy_while_it_writes_its_file(tmp_path):
    def check():
        environment = {"BEAT_SCHEDULE": str(tmp_path / "beat")}
        return run(ROOT, "deploy/healthcheck.py", "beat", **environment).returncode

    assert check() == 1
    (tmp_path / "beat.db").touch()
    assert check() == 0
    os.utime(tmp_path / "beat.db", (0, 0))
    assert check() == 1
