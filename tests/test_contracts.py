"""What holds the code together: layers, migrations, compiled requirements, one price arithmetic."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command

ROOT = settings.BASE_DIR
APPS = ("config", "demo", "balances", "orgs", "rates", "accounts", "live", "foundation")
VAGUE = {"utils", "helpers", "common", "misc"}
LONGEST_MODULE = 400
# Sentences about one page or one table are read singly, so more of them fit.
LONGEST_TEST = 600


def sources():
    return [path for app in APPS for path in (ROOT / app).rglob("*.py")]


def test_layers_hold():
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_app_is_under_contract():
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    assert set(config["root_packages"]) == set(APPS)


@pytest.mark.django_db
def test_models_and_migrations_agree():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_requirements_are_compiled_from_what_is_chosen():
    command = [sys.executable, ".ci/check_requirements.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_secret_that_nobody_knows_is_found(tmp_path):
    leak = tmp_path / "leak.py"
    leak.write_text('KEY = "AKIA' + "IOSFODNN7EXAMPLQ" + '"\n')
    command = [sys.executable, ".ci/check_secrets.py", "config/checks.py"]
    known = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert known.returncode == 0, known.stderr
    found = subprocess.run(
        [*command, str(leak)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert found.returncode == 1
    assert "AWS Access Key" in found.stderr


def test_every_requirement_is_pinned_with_hashes():
    for name in ("requirements.txt", "requirements-dev.txt"):
        for block in re.split(r"\n(?=[A-Za-z0-9])", (ROOT / name).read_text()):
            assert "==" in block, block
            assert "--hash=sha256:" in block, block


def test_no_module_is_called_by_what_it_is_not():
    assert [path for path in sources() if path.stem in VAGUE] == []


def test_no_module_is_too_long_to_read():
    # The settings are one file on purpose (DESIGN, section 3).
    read = [path for path in sources() if path != ROOT / "config" / "settings.py"]
    limits = {path: LONGEST_TEST if "tests" in path.parts else LONGEST_MODULE for path in read}
    long = [path for path in read if len(path.read_text().splitlines()) > limits[path]]
    assert long == []


def test_nothing_is_left_to_be_done_in_the_code():
    pattern = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")
    assert [path for path in sources() if pattern.search(path.read_text())] == []


def test_ci_runs_on_its_own():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert "set -euo pipefail" in script.read_text()
