"""No container engine runs here, so what the files claim is compared with the code they start."""

from __future__ import annotations

import re
import shlex

import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands
from honcho.environ import parse_procfile

ROOT = settings.BASE_DIR
PROCESSES = parse_procfile((ROOT / "Procfile").read_text()).processes
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "quayside"}
# What is read outside config/settings.py.
ALSO_READ = {"HOST", "PORT", "WEB_PROCESSES", "PROMETHEUS_MULTIPROC_DIR"}


def variables_read():
    text = (ROOT / "config" / "settings.py").read_text()
    found = re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', text)
    assert len(found) > 20
    return set(found) | ALSO_READ


def variables_of_compose():
    return set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))


def test_every_process_of_the_procfile_runs_in_a_container_with_the_same_command():
    for name, command in PROCESSES.items():
        assert SERVICES[name]["command"] == shlex.split(command)


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_management_command_that_a_container_runs_exists(name):
    command = OURS[name]["command"]
    if command[:2] == ["python", "manage.py"]:
        assert command[2] in get_commands()


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_variable_of_a_container_is_read(name):
    assert set(OURS[name]["environment"]) <= variables_read()


@pytest.mark.parametrize("name", sorted(OURS))
def test_our_containers_run_without_rights_they_do_not_need(name):
    service = OURS[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]


def test_secrets_have_no_default():
    text = (ROOT / "docker-compose.yml").read_text()
    for name in ("SECRET_KEY", "POSTGRES_PASSWORD", "DOMAIN"):
        assert f"${{{name}:?}}" in text
        assert f"${{{name}:-" not in text


def test_only_the_proxy_listens_on_the_host():
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["caddy"]


def test_services_wait_only_for_services_that_there_are():
    for service in SERVICES.values():
        for name, wanted in service.get("depends_on", {}).items():
            if wanted["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[name]
            assert name in SERVICES


def test_every_volume_is_declared():
    named = {
        volume.split(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
        if not volume.startswith(".")
    }
    assert named == set(COMPOSE["volumes"])


def test_the_example_names_exactly_the_variables_that_compose_asks_for():
    lines = (ROOT / "deploy" / "example.env").read_text().splitlines()
    names = {line.split("=")[0] for line in lines if line and not line.startswith("#")}
    assert names == variables_of_compose()


def test_the_image_runs_as_somebody_without_rights_and_starts_the_web_process():
    text = (ROOT / "deploy" / "Dockerfile").read_text()
    last_stage = text[text.rindex("\nFROM ") :]
    assert re.search(r"^USER quayside$", last_stage, re.MULTILINE)
    assert 'CMD ["python", "-m", "config.serve"]' in last_stage
    assert shlex.split(PROCESSES["web"]) == ["python", "-m", "config.serve"]


def test_what_the_image_copies_exists():
    text = (ROOT / "deploy" / "Dockerfile").read_text()
    for source in re.findall(r"^COPY (?!--from)(\S+) ", text, re.MULTILINE):
        assert (ROOT / source).exists()


def test_the_proxy_overwrites_what_clients_claim_about_themselves():
    text = (ROOT / "deploy" / "caddy" / "Caddyfile").read_text()
    assert "header_up X-Forwarded-For {remote_host}" in text
    assert "header_up X-Forwarded-Proto {scheme}" in text
    assert "reverse_proxy web:8000" in text
    assert text.count("{") == text.count("}")


def test_metrics_are_not_answered_to_the_outside():
    text = (ROOT / "deploy" / "caddy" / "Caddyfile").read_text()
    assert re.search(r"@inside path .*/metrics", text)
    assert "respond @inside 404" in text
