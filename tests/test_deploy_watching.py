"""Scraping, alerts, runbooks and dashboards name what ``/metrics`` tells, and each other."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import promql_parser
import pytest
import yaml
from django.conf import settings
from prometheus_client.parser import text_string_to_metric_families

# All that a web process loads, and so all that it counts.
from config import asgi as web  # noqa: F401
from config import metrics

ROOT: Path = settings.BASE_DIR
RULES = yaml.safe_load((ROOT / "deploy" / "prometheus" / "rules.yml").read_text())
ALERTS = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}
RUNBOOKS = (ROOT / "docs" / "runbooks.md").read_text()
DASHBOARDS = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))
SCRAPING = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
# What Prometheus says of its targets by itself.
OF_PROMETHEUS = {"up"}
# Labels that Prometheus adds, and what functions make of them.
ADDED = {"instance", "job", "le"}


def selectors(query):
    """Every metric's name with the labels that the query asks of it."""
    found = []

    def visit(node):
        if isinstance(node, promql_parser.VectorSelector):
            found.append((node.name, {m.name for m in node.matchers.matchers}))

    promql_parser.walk(promql_parser.parse(query), pre_visit=visit)
    return found


def grouped_by(query):
    return {
        name.strip()
        for group in re.findall(r"\bby \(([^)]*)\)", query)
        for name in group.split(",")
    }


def queries_of_dashboards():
    return [
        pytest.param(target["expr"], id=f"{path.stem}: {panel['title']} {target['refId']}")
        for path in DASHBOARDS
        for panel in json.loads(path.read_text())["panels"]
        for target in panel["targets"]
    ]


@pytest.fixture
def told(db):
    """The names that a scrape may bring, as series are called."""
    families = list(text_string_to_metric_families(metrics.text().decode()))
    endings = {
        "counter": ["_total"],
        "histogram": ["_bucket", "_sum", "_count"],
        "summary": ["_sum", "_count"],
    }
    names = {f.name + ending for f in families for ending in endings.get(f.type, [""])}
    return names | OF_PROMETHEUS


# --- Alerts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_asks_for_metrics_that_there_are(told, name):
    asked = {metric for metric, _ in selectors(ALERTS[name]["expr"])}
    assert asked
    assert asked <= told


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_has_its_section_of_the_runbook(name):
    rule = ALERTS[name]
    assert rule["annotations"]["runbook"] == f"docs/runbooks.md#{name.lower()}"
    section = re.search(rf"^### {name}\n(.*?)(?=^##|\Z)", RUNBOOKS, re.MULTILINE | re.DOTALL)
    assert section
    assert re.findall(r"^\*\*(\w+)\.\*\*", section[1], re.MULTILINE) == ["Means", "Look", "Do"]


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_says_how_bad_it_is_and_waits_unless_there_is_nothing_to_wait_for(name):
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert "for" in rule or name in ("QuaysideChainHalted", "QuaysideBalanceDiffers")
    assert rule["annotations"]["summary"].endswith(".")


def test_every_section_of_the_runbook_has_its_alert():
    assert re.findall(r"^### (\w+)$", RUNBOOKS, re.MULTILINE) == list(ALERTS)


def test_references_inside_the_runbook_lead_to_its_sections():
    anchors = {name.lower() for name in ALERTS}
    assert set(re.findall(r"\]\(#(\w+)\)", RUNBOOKS)) <= anchors


# --- Dashboards ---------------------------------------------------------------------------------


@pytest.mark.parametrize("query", queries_of_dashboards())
def test_every_query_of_a_dashboard_asks_for_metrics_that_there_are(told, query):
    asked = {metric for metric, _ in selectors(query)}
    assert asked
    assert asked <= told


def test_dashboards_are_what_their_program_writes():
    path = ROOT / "deploy" / "grafana" / "make.py"
    specification = importlib.util.spec_from_file_location("make_dashboards", path)
    assert specification
    assert specification.loader
    make = importlib.util.module_from_spec(specification)
    sys.modules["make_dashboards"] = make
    specification.loader.exec_module(make)
    assert {path.stem for path in DASHBOARDS} == set(make.PAGES)
    for page in DASHBOARDS:
        assert page.read_text() == make.text(page.stem), "run python deploy/grafana/make.py"


def test_dashboards_have_names_of_their_own_and_the_source_that_is_provisioned():
    pages = [json.loads(path.read_text()) for path in DASHBOARDS]
    assert len({page["uid"] for page in pages}) == len({page["title"] for page in pages}) == 7
    folder = ROOT / "deploy" / "grafana" / "provisioning"
    sources = yaml.safe_load((folder / "datasources" / "prometheus.yml").read_text())
    assert {p["datasource"]["uid"] for page in pages for p in page["panels"]} == {
        source["uid"] for source in sources["datasources"]
    }
    provider = yaml.safe_load((folder / "dashboards" / "quayside.yml").read_text())["providers"][0]
    mounts = [volume.split(":")[1] for volume in SERVICES["grafana"]["volumes"]]
    assert provider["options"]["path"] in mounts


def test_series_that_every_process_tells_alike_are_never_summed_over_processes():
    subjects = ("feed", "chain", "task", "queue", "coin", "board", "mail", "backfill", "balance")
    shared = tuple(f"quayside_{subject}" for subject in subjects)
    every = [rule["expr"] for rule in ALERTS.values()]
    every += [parameter.values[0] for parameter in queries_of_dashboards()]
    for query in every:
        if any(name.startswith(shared) for name, _ in selectors(query)):
            inner = re.sub(r"sum( by \([^)]*\))? \(max|sum\(max", "", query)
            assert not re.search(r"\bsum\b", inner), query


# --- Prometheus -----------------------------------------------------------------------------------


def test_prometheus_asks_services_that_there_are():
    jobs = {job["job_name"]: job for job in SCRAPING["scrape_configs"]}
    [found] = jobs["quayside"]["dns_sd_configs"]
    assert (found["names"], found["port"]) == (["web"], 8000)
    hosts = {
        target.split(":")[0]
        for job in jobs.values()
        for group in job.get("static_configs", [])
        for target in group["targets"]
    }
    assert hosts - {"localhost"} <= set(SERVICES)


def test_a_scrape_by_address_is_answered_and_a_page_by_address_is_not(client, db, settings):
    settings.ALLOWED_HOSTS = ["desk.example.com"]
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$", r"^version$"]
    answers = {
        path: client.get(path, headers={"host": "10.1.2.3:8000"}).status_code
        for path in ("/metrics", "/healthz", "/readyz", "/status")
    }
    assert answers == {"/metrics": 200, "/healthz": 200, "/readyz": 503, "/status": 400}


PROMTOOL = shutil.which("promtool", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")


@pytest.mark.skipif(PROMTOOL is None, reason="`make promtool` fetches it")
@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "config", "deploy/prometheus/prometheus.yml"],
        ["check", "rules", "deploy/prometheus/rules.yml"],
        ["test", "rules", "tests/prometheus/rules_test.yml"],
        ["test", "rules", "tests/prometheus/rules_of_days_test.yml"],
    ],
    ids=["configuration", "rules", "alerts begin and end", "after days"],
)
def test_prometheus_itself_accepts(arguments):
    done = subprocess.run(
        [str(PROMTOOL), *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_labels_that_queries_ask_for_are_bounded_by_configuration():
    """No label is a client's own word: there are as many views, tasks and chains as we make."""
    known = ADDED | {"status", "view", "lane", "path", "topic", "task", "state", "queue", "chain",
                     "node", "source", "kind", "result", "period", "outcome"}  # fmt: skip
    for parameter in queries_of_dashboards():
        query = parameter.values[0]
        asked = set().union(*(labels for _, labels in selectors(query)))
        assert asked | grouped_by(query) <= known
