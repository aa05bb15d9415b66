"""Kubernetes: both overlays put together, read by its schemas, compared with the Procfile."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands
from honcho.environ import parse_procfile
from kubernetes_validate.utils import validate

ROOT: Path = settings.BASE_DIR
FOLDER = ROOT / "deploy" / "kubernetes"
PROCESSES = parse_procfile((ROOT / "Procfile").read_text()).processes
OVERLAYS = ["small", "production"]
SCHEMA = "1.37"
# What has pods: kind to where the template stands.
WITH_PODS = {"Deployment", "StatefulSet", "Job", "CronJob"}
ALSO_READ = {"HOST", "PORT", "WEB_PROCESSES", "PROMETHEUS_MULTIPROC_DIR"}
OF_SERVERS = {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD"}
KUSTOMIZE = next(
    (
        command
        for name, command in (
            ("kubectl", ["kubectl", "kustomize"]),
            ("kustomize", ["kustomize", "build"]),
        )
        if shutil.which(name)
    ),
    None,
)


@pytest.fixture(scope="module", params=OVERLAYS)
def objects(request):
    if KUSTOMIZE is None:
        pytest.skip("install kubectl 1.27 or newer, or kustomize 5 or newer")
    built = subprocess.run(
        [*KUSTOMIZE, FOLDER / "overlays" / request.param],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert built.returncode == 0, built.stderr
    return list(yaml.safe_load_all(built.stdout))


def of(objects, kind):
    return {o["metadata"]["name"]: o for o in objects if o["kind"] == kind}


def template(item):
    return (item["spec"]["jobTemplate"]["spec"] if item["kind"] == "CronJob" else item["spec"])[
        "template"
    ]


def pods(objects):
    """Name to the specification of its pods."""
    return {o["metadata"]["name"]: template(o)["spec"] for o in objects if o["kind"] in WITH_PODS}


def ours(objects):
    return {
        name: pod
        for name, pod in pods(objects).items()
        if pod["containers"][0]["name"] == "quayside"
    }


def containers(pod):
    return [*pod.get("initContainers", []), *pod["containers"]]


def labels_of_pods(objects):
    return [template(o)["metadata"].get("labels", {}) for o in objects if o["kind"] in WITH_PODS]


def test_every_object_is_what_the_schemas_of_kubernetes_say(objects):
    for item in objects:
        validate(item, SCHEMA, strict=True)
    named = Counter((o["kind"], o["metadata"]["name"]) for o in objects)
    assert max(named.values()) == 1


PLAIN = sorted(
    path
    for path in FOLDER.rglob("*.yaml")
    # What these hold is a part of something, or nothing that a cluster is given.
    if path.name not in ("kustomization.yaml", "after-migration.yaml")
    and not path.name.startswith("pod")
)


@pytest.mark.parametrize("path", PLAIN, ids=lambda path: str(path.relative_to(FOLDER)))
def test_every_file_by_itself_is_what_the_schemas_say(path):
    """Also where nothing puts overlays together."""
    for item in yaml.safe_load_all(path.read_text()):
        validate(item, SCHEMA, strict=True)


def test_every_file_of_the_base_is_put_to_use():
    told = yaml.safe_load((FOLDER / "base" / "kustomization.yaml").read_text())
    used = {*told["resources"], *(patch["path"] for patch in told["patches"])}
    there = {path.name for path in (FOLDER / "base").glob("*.yaml")}
    assert there == used | {"kustomization.yaml"}


def test_every_process_of_the_procfile_is_a_deployment_with_the_same_command(objects):
    deployments = of(objects, "Deployment")
    assert set(deployments) == set(PROCESSES)
    for name, command in PROCESSES.items():
        pod = deployments[name]["spec"]["template"]["spec"]
        assert pod["containers"][0]["command"] == shlex.split(command)


def test_migrations_are_a_job_past_pgbouncer_and_everything_waits_for_them(objects):
    [job] = of(objects, "Job").values()
    [container] = job["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["python", "manage.py", "migrate", "--noinput"]
    [variable] = container["env"]
    assert variable["name"] == "DATABASE_URL"
    assert variable["valueFrom"]["secretKeyRef"]["key"] == "DATABASE_DIRECT_URL"
    for name in PROCESSES:
        [first] = ours(objects)[name]["initContainers"]
        assert first["command"] == ["python", "manage.py", "migrate", "--check"]


def test_a_backup_is_made_each_night_and_a_restore_only_by_hand(objects):
    backup, restore = (of(objects, "CronJob")[name]["spec"] for name in ("backup", "restore"))
    assert backup.get("suspend", False) is False
    assert restore["suspend"] is True
    [claim] = of(objects, "PersistentVolumeClaim")
    for name in ("backup", "restore"):
        pod = pods(objects)[name]
        [mount] = [m for m in pod["containers"][0]["volumeMounts"] if m["name"] == "backups"]
        assert mount["mountPath"] == "/backups"
        assert {"name": "backups", "persistentVolumeClaim": {"claimName": claim}} in pod["volumes"]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "manage.py restore {home}/20261122T014000Z"),
        ({"BACKUP": "20261121T014000Z"}, "manage.py restore {home}/20261121T014000Z"),
        ({"REPLACE": "1"}, "manage.py restore {home}/20261122T014000Z --replace"),
    ],
)
def test_the_newest_backup_is_restored_or_the_one_that_is_named(
    objects, environment, expected, tmp_path
):
    for name in ("20261121T014000Z", "20261122T014000Z"):
        (tmp_path / name).mkdir()
    program = tmp_path.parent / f"{tmp_path.name}-bin"
    program.mkdir()
    (program / "python").write_text('#!/bin/sh\necho "$@"\n')
    (program / "python").chmod(0o755)
    shell, option, line = pods(objects)["restore"]["containers"][0]["command"]
    done = subprocess.run(
        [shell, option, line.replace("/backups", str(tmp_path))],
        env={"PATH": f"{program}:{os.environ['PATH']}", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == expected.format(home=tmp_path)


def test_management_commands_exist(objects):
    for pod in ours(objects).values():
        for container in containers(pod):
            if container["command"][:2] == ["python", "manage.py"]:
                assert container["command"][2] in get_commands()


def test_pods_run_without_rights_they_do_not_need(objects):
    for pod in pods(objects).values():
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in containers(pod):
            guarded = container["securityContext"]
            assert guarded["readOnlyRootFilesystem"] is True
            assert guarded["allowPrivilegeEscalation"] is False
            assert guarded["capabilities"] == {"drop": ["ALL"]}


def test_our_pods_run_as_the_user_of_the_image(objects):
    user = re.search(r"^USER (\d+):", (ROOT / "deploy" / "Dockerfile").read_text(), re.MULTILINE)
    assert user
    for pod in ours(objects).values():
        assert pod["securityContext"]["runAsUser"] == int(user[1])


def test_every_container_says_what_it_needs_and_may_take(objects):
    for pod in pods(objects).values():
        for container in containers(pod):
            assert {"cpu", "memory"} <= set(container["resources"]["requests"])
            assert "memory" in container["resources"]["limits"]


def test_images_have_exact_versions(objects):
    for pod in pods(objects).values():
        for container in containers(pod):
            assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+[\w.-]*", container["image"])


def test_servers_have_the_versions_that_compose_has():
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    text = (FOLDER / "overlays" / "small" / "servers.yaml").read_text()
    images = set(re.findall(r"image: (\S+)", text))
    stateful = {
        o["metadata"]["name"]: o for o in yaml.safe_load_all(text) if "template" in o["spec"]
    }
    for name, server in stateful.items():
        assert (
            server["spec"]["template"]["spec"]["containers"][0]["args"] == compose[name]["command"]
        )
    assert images == {compose["postgres"]["image"], compose["valkey"]["image"]}


# --- Probes -------------------------------------------------------------------------------------


def test_a_silent_exchange_takes_no_web_process_out_of_service(objects):
    [container] = ours(objects)["web"]["containers"]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"] == {"path": "/healthz", "port": "http"}


def test_processes_are_probed_with_commands_that_there_are(objects):
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    for name in ("beat", "feed", "worker", "backfill"):
        probe = ours(objects)[name]["containers"][0]["livenessProbe"]["exec"]["command"]
        asked = compose[name]["healthcheck"]["test"]
        shell = ["CMD-SHELL", f"{probe[-1].replace('$', '$$')} --end"]
        # The cluster restarts what fails; under compose the check itself sees to it.
        assert asked in (["CMD", *probe, "--end"], shell)
    assert "livenessProbe" not in ours(objects)["chain"]["containers"][0]


def test_a_pod_has_as_long_to_end_as_its_process_takes(objects):
    found = {
        name: pod.get("terminationGracePeriodSeconds", 30) for name, pod in ours(objects).items()
    }
    assert found["worker"] > settings.CELERY_TASK_TIME_LIMIT
    assert found["web"] >= 5 + 20


# --- References ---------------------------------------------------------------------------------


def test_settings_come_from_the_map_and_secrets_from_a_secret_that_is_not_in_the_tree(objects):
    [name] = of(objects, "ConfigMap")
    for pod in ours(objects).values():
        for container in containers(pod):
            assert container["envFrom"] == [
                {"configMapRef": {"name": name}},
                {"secretRef": {"name": "quayside"}},
            ]
    assert not of(objects, "Secret")


def test_every_setting_is_read_and_none_is_a_secret(objects):
    text = (ROOT / "config" / "settings.py").read_text()
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', text)) | ALSO_READ
    [settings_map] = of(objects, "ConfigMap").values()
    assert set(settings_map["data"]) <= read
    assert not [
        name for name in settings_map["data"] if re.search("SECRET|PASSWORD|KEY$|_URL", name)
    ]


def test_the_keys_of_the_secret_are_documented(objects):
    documented = (ROOT / "docs" / "operations.md").read_text()
    used = {
        variable["valueFrom"]["secretKeyRef"]["key"]
        for pod in pods(objects).values()
        for container in containers(pod)
        for variable in container.get("env", [])
        if "valueFrom" in variable
    }
    section = documented.split("## Deployment on Kubernetes")[1].split("\n## ")[0]
    assert all(f"`{key}`" in section for key in used | {"SECRET_KEY", "DATABASE_URL", "REDIS_URL"})


def test_services_budgets_and_autoscalers_find_what_they_are_about(objects):
    labels = labels_of_pods(objects)

    def found(selector):
        return [one for one in labels if selector.items() <= one.items()]

    for name, service in of(objects, "Service").items():
        if name != "nobody":
            assert len(found(service["spec"]["selector"])) == 1
    for budget in of(objects, "PodDisruptionBudget").values():
        assert len(found(budget["spec"]["selector"]["matchLabels"])) == 1
    for scaler in of(objects, "HorizontalPodAutoscaler").values():
        assert scaler["spec"]["scaleTargetRef"]["name"] in of(objects, "Deployment")


def test_one_beat_whatever_the_overlay_and_no_two_at_a_release(objects):
    beat = of(objects, "Deployment")["beat"]["spec"]
    assert (beat["replicas"], beat["strategy"]) == (1, {"type": "Recreate"})
    assert "beat" not in of(objects, "HorizontalPodAutoscaler")


def test_the_ingress_leads_to_services_and_shows_nobody_the_metrics(objects):
    [ingress] = of(objects, "Ingress").values()
    [rule] = ingress["spec"]["rules"]
    ways = {p["path"]: p["backend"]["service"]["name"] for p in rule["http"]["paths"]}
    assert ways == {"/": "web", "/metrics": "nobody", "/readyz": "nobody"}
    services = of(objects, "Service")
    assert "selector" not in services["nobody"]["spec"]
    assert rule["host"] in ingress["spec"]["tls"][0]["hosts"]


# --- Networks -----------------------------------------------------------------------------------


def policies_for(objects, labels):
    def chosen(selector):
        plain = selector.get("matchLabels", {}).items() <= labels.items()
        expressions = selector.get("matchExpressions", [])
        return plain and all(labels.get(e["key"]) in e["values"] for e in expressions)

    return [
        policy["spec"]
        for policy in of(objects, "NetworkPolicy").values()
        if chosen(policy["spec"]["podSelector"])
    ]


def ports(policies, way):
    rules = [rule for policy in policies for rule in policy.get(way, [])]
    return {port["port"] for rule in rules for port in rule["ports"]}


def test_nothing_comes_in_but_to_web_and_the_servers(objects):
    for labels in labels_of_pods(objects):
        found = policies_for(objects, labels)
        assert any("Ingress" in policy["policyTypes"] for policy in found)
        assert any("Egress" in policy["policyTypes"] for policy in found)
        expected = {"web": {8000}, "postgres": {5432, 6379}, "valkey": {5432, 6379}}
        assert ports(found, "ingress") == expected.get(labels.get("app", ""), set())


def test_each_process_may_go_only_where_it_has_to(objects):
    servers = {53, 5432, 6432, 6379, 4318}
    upstream = dict.fromkeys(("web", "feed", "chain", "backfill"), servers | {443})
    expected = {**upstream, "worker": servers | {443, 587}, "beat": servers}
    for labels in labels_of_pods(objects):
        if (name := labels.get("app", "")) in expected:
            assert ports(policies_for(objects, labels), "egress") == expected[name]


def test_variables_of_servers_are_theirs(objects):
    for name, pod in pods(objects).items():
        if name not in ours(objects):
            for container in containers(pod):
                assert {v["name"] for v in container.get("env", [])} <= OF_SERVERS
