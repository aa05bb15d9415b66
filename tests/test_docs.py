"""The documents say what the code does: variables, check ids, commands, links."""

from __future__ import annotations

import re

import pytest
from django.conf import settings

ROOT = settings.BASE_DIR
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
ALSO_READ = {"HOST", "PORT", "WEB_PROCESSES", "PROMETHEUS_MULTIPROC_DIR"}


def names_read():
    text = (ROOT / "config" / "settings.py").read_text()
    return set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', text)) | ALSO_READ


def names_documented():
    table = OPERATIONS.split("## Variables")[1].split("`manage.py check")[0]
    first_cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return set(re.findall(r"`([A-Z_]+)`", " ".join(first_cells)))


def test_every_variable_that_is_read_is_documented_and_no_other():
    assert names_documented() == names_read()


def test_every_check_has_its_line_and_every_line_its_check():
    apps = ("config", "rates", "accounts/ethereum")
    code = "".join((ROOT / app / "checks.py").read_text() for app in apps)
    pattern = r"\b((?:quayside|rates)\.[EW]\d{3})\b"
    assert set(re.findall(pattern, OPERATIONS)) == set(re.findall(pattern, code))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    targets = [target for target in LINK.findall(document.read_text()) if "://" not in target]
    missing = [target for target in targets if not (document.parent / target).exists()]
    assert missing == []


def test_make_commands_that_are_named_exist():
    text = "".join(document.read_text() for document in DOCUMENTS)
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)", text)) <= targets


def test_every_command_of_our_own_is_described_and_no_other():
    files = ROOT.glob("*/**/management/commands/[!_]*.py")
    # A virtual environment has commands of others.
    ours = {path.stem for path in files if not path.is_relative_to(ROOT / ".venv")}
    rows = re.findall(r"^\| (`.*?) \|", OPERATIONS.split("## Commands")[1].split("\n## ")[0], re.M)
    described = {name for row in rows for name in re.findall(r"`(\w+)", row)}
    assert described - ours == {"collectstatic", "createsuperuser", "check"}
    assert ours <= described


def test_every_readyz_part_is_in_the_runbook():
    from config.health import CHECKS

    runbook = OPERATIONS.split("## Runbook")[1]
    assert all(f"| `{name}` not ok" in runbook for name in CHECKS)


def test_every_process_is_described():
    processes = re.findall(r"^(\w+):", (ROOT / "Procfile").read_text(), re.MULTILINE)
    assert all(f"\n| {name} |" in OPERATIONS for name in processes)


def test_decisions_have_their_three_parts_and_a_number_of_their_own():
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [path.name[:4] for path in decisions]
    assert len(set(numbers)) == len(numbers)
    for path in decisions:
        text = path.read_text()
        assert all(f"**{part}.**" in text for part in ("Context", "Choice", "Consequence")), path


def test_the_version_is_the_newest_of_the_changelog():
    assert f"\n## {settings.VERSION}" in (ROOT / "CHANGELOG.md").read_text()
    assert re.fullmatch(r"\d+\.\d+\.\d+", settings.VERSION)


def test_every_test_that_the_threat_model_names_exists():
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "security.md").read_text()))
    sources = (path.read_text() for path in ROOT.glob("*/**/tests/test_*.py"))
    text = "".join([*sources, *(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))])
    assert len(named) > 40
    assert {name for name in named if f"def {name}(" not in text} == set()
