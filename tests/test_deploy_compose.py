"""What docker-compose.yml claims, compared with its schema and with the code that it starts."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import jsonschema
import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands
from honcho.environ import parse_procfile

from config import task_metrics

ROOT: Path = settings.BASE_DIR
TEXT = (ROOT / "docker-compose.yml").read_text()
PROCESSES = parse_procfile((ROOT / "Procfile").read_text()).processes
COMPOSE = yaml.safe_load(TEXT)
SERVICES = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "quayside"}
OTHERS = {name: service for name, service in SERVICES.items() if name not in OURS}
# The entry points of images that begin as root and give their rights up by themselves.
BEGIN_AS_ROOT = {"postgres"}
# What is read outside config/settings.py.
ALSO_READ = {"HOST", "PORT", "WEB_PROCESSES", "PROMETHEUS_MULTIPROC_DIR"}


def variables_read():
    text = (ROOT / "config" / "settings.py").read_text()
    found = re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', text)
    assert len(found) > 20
    return set(found) | ALSO_READ


def variables_of_compose():
    return set(re.findall(r"\$\{([A-Z_]+)", TEXT))


def test_the_file_is_what_the_compose_specification_says():
    schema = json.loads((ROOT / "tests" / "vendor" / "compose-spec.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(COMPOSE)


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


@pytest.mark.parametrize("name", sorted(set(SERVICES) - BEGIN_AS_ROOT))
def test_containers_run_without_rights_they_do_not_need(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("cap_add", []) in ([], ["NET_BIND_SERVICE"])


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_images_of_others_are_named_with_an_exact_version(name):
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+[\w.-]*", OTHERS[name]["image"])


@pytest.mark.parametrize("name", sorted(set(PROCESSES)))
def test_each_process_has_a_health_check_or_says_that_it_has_none(name):
    check = OURS[name].get("healthcheck")
    if name == "chain":
        assert check == {"disable": True}
    else:
        assert check["test"][0] in ("CMD", "CMD-SHELL")
        # Compose restarts nobody that is unhealthy, only what ends.
        assert check["test"][-1].endswith("--end")


def test_a_worker_asks_itself_by_the_name_that_it_was_started_with():
    for name, prefix in (("worker", "celery@"), ("backfill", "backfill@")):
        command, check = OURS[name]["command"], OURS[name]["healthcheck"]["test"][1]
        assert f"worker {prefix}$$HOSTNAME" in check
        named = command[command.index("--hostname") + 1] if "--hostname" in command else "celery@%h"
        assert named == f"{prefix}%h"


def test_every_queue_has_a_worker_that_listens_to_it():
    words = [shlex.split(command) for command in PROCESSES.values()]
    heard = {
        queue
        for command in words
        if "--queues" in command
        for queue in command[command.index("--queues") + 1].split(",")
    }
    assert heard == set(task_metrics.queues())


def test_secrets_have_no_default():
    for name in ("SECRET_KEY", "POSTGRES_PASSWORD", "DOMAIN", "GRAFANA_PASSWORD"):
        assert f"${{{name}:?}}" in TEXT
        assert f"${{{name}:-" not in TEXT


def test_only_the_proxy_listens_on_the_host_and_grafana_for_those_who_are_on_it():
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(ports) == {"caddy", "grafana"}
    assert all(port.startswith("127.0.0.1:") for port in ports["grafana"])


def test_services_wait_only_for_services_that_there_are():
    for service in SERVICES.values():
        for name, wanted in service.get("depends_on", {}).items():
            assert name in SERVICES
            if wanted["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[name]


def test_what_is_mounted_exists_and_every_volume_is_declared():
    mounts = [
        volume.split(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
    ]
    assert all((ROOT / mount).exists() for mount in mounts if mount.startswith("."))
    assert {mount for mount in mounts if not mount.startswith(".")} == set(COMPOSE["volumes"])


def test_the_example_names_exactly_the_variables_that_compose_asks_for():
    lines = (ROOT / "deploy" / "example.env").read_text().splitlines()
    names = {line.split("=")[0] for line in lines if line and not line.startswith("#")}
    assert names == variables_of_compose()


def test_exactly_one_beat_and_a_standby_of_the_feed():
    assert OURS["beat"]["deploy"]["replicas"] == 1
    assert OURS["feed"]["deploy"]["replicas"] == 2


# --- PgBouncer --------------------------------------------------------------------------------


def bouncer():
    file = configparser.ConfigParser(interpolation=None, comment_prefixes=(";",))
    file.read(ROOT / "deploy" / "pgbouncer" / "pgbouncer.ini")
    return file


def test_processes_reach_the_database_through_pgbouncer_and_past_it_where_they_hold_locks():
    for name in PROCESSES:
        environment = OURS[name]["environment"]
        assert f"@pgbouncer:{bouncer()['pgbouncer']['listen_port']}/" in environment["DATABASE_URL"]
        assert "@postgres:5432/" in environment["DATABASE_DIRECT_URL"]
        # A pool in front of a pool only holds connections that others wait for.
        assert environment["DATABASE_POOL_SIZE"] == "0"


def test_nothing_inline_is_copied_into_a_container_that_is_read_only():
    """Compose refuses to: docker/compose issue 12031."""
    inline = {
        name
        for kind in ("configs", "secrets")
        for name, source in COMPOSE.get(kind, {}).items()
        if "file" not in source
    }
    for service in SERVICES.values():
        if service.get("read_only"):
            for kind in ("configs", "secrets"):
                given = service.get(kind, [])
                assert (
                    not {use if isinstance(use, str) else use["source"] for use in given} & inline
                )


def test_pgbouncer_finds_its_users_in_a_file_of_its_own_that_is_written_when_it_starts(tmp_path):
    service = SERVICES["pgbouncer"]
    assert bouncer()["pgbouncer"]["auth_file"] == "/tmp/userlist.txt"  # noqa: S108
    assert service["tmpfs"] == ["/tmp:size=1m"]  # noqa: S108
    program, option, line = service["entrypoint"]
    stands_in = tmp_path / "pgbouncer"
    stands_in.write_text('#!/bin/sh\necho "$1"\n')
    stands_in.chmod(0o755)
    done = subprocess.run(
        [program, option, line.replace("$$", "$").replace("/tmp/", f"{tmp_path}/")],  # noqa: S108
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "POSTGRES_PASSWORD": "Sesame1"},
        capture_output=True,
        text=True,
        check=True,
    )
    [mount] = service["volumes"]
    assert done.stdout.strip() == mount.split(":")[1]
    users = tmp_path / "userlist.txt"
    assert users.read_text() == '"quayside" "Sesame1"\n'
    assert users.stat().st_mode & 0o077 == 0


def test_addresses_of_chains_keep_their_dollar_signs_in_the_example():
    [line] = [
        line
        for line in (ROOT / "deploy" / "example.env").read_text().splitlines()
        if line.startswith("QUAYSIDE_CHAINS=")
    ]
    # Compose replaces $NAME unless single quotes keep it from that.
    assert re.fullmatch(r"QUAYSIDE_CHAINS='[^']*'", line)


def test_migrations_go_past_pgbouncer():
    assert "@postgres:5432/" in OURS["migrate"]["environment"]["DATABASE_URL"]


def test_pgbouncer_lends_connections_for_a_transaction_and_fewer_than_postgresql_allows():
    settings_of_pool = bouncer()["pgbouncer"]
    assert settings_of_pool["pool_mode"] == "transaction"
    lent = int(settings_of_pool["default_pool_size"]) + int(settings_of_pool["reserve_pool_size"])
    assert lent < 97  # max_connections less those for superusers


# --- The collector of traces ---------------------------------------------------------------------


def test_pipelines_of_the_collector_name_what_is_configured():
    collector = yaml.safe_load((ROOT / "deploy" / "otel" / "collector.yaml").read_text())
    for pipeline in collector["service"]["pipelines"].values():
        for kind, names in pipeline.items():
            assert set(names) <= set(collector[kind])
    address = collector["receivers"]["otlp"]["protocols"]["http"]["endpoint"]
    example = (ROOT / "deploy" / "example.env").read_text()
    # The protocol that processes speak.
    assert f"http://collector:{address.split(':')[1]} sends traces" in example


def test_files_of_secrets_are_neither_kept_in_git_nor_in_the_image():
    [further] = OURS["web"]["env_file"]
    for name in (".gitignore", ".dockerignore"):
        lines = {line.strip("/") for line in (ROOT / name).read_text().splitlines()}
        assert {".env", further["path"]} <= lines
