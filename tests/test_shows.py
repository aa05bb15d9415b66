"""One trace, one dashboard, one alert: each by its command, with a desk of its own."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from demo.browser import chromium
from demo.home import BASE_DIR
from demo.shows import drawing, prometheus, trace
from demo.shows.collector import Span
from demo.shows.dashboard import PAGES
from demo.shows.prometheus import Series

PATIENCE = 400
# Desks in turn: each is a dozen processes.
together = pytest.mark.xdist_group("shows")
PROMETHEUS = shutil.which("prometheus", path=str(Path(sys.executable).parent))
watched = pytest.mark.skipif(PROMETHEUS is None, reason="`make prometheus` fetches it")


def told(name, *options):
    """What a show printed, which has ended well."""
    done = subprocess.run(
        [sys.executable, "-m", f"demo.shows.{name}", *options],
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def drawn(text):
    return ElementTree.fromstring(text)  # noqa: S314  # it is our own


@together
@pytest.mark.long
@pytest.mark.skipif(chromium() is None, reason="`make browser` installs it")
def test_a_click_is_shown_down_to_its_rows():
    lines = told("trace").splitlines()
    depths = [len(line) - len(line[22:].lstrip()) for line in lines]
    order = ["POST /accounts/password/reset/", "INSERT", "apply_async/", "run/", "DELETE"]
    places = [next(n for n, line in enumerate(lines) if word in line) for word in order]
    assert places == sorted(places)
    assert [depths[place] - depths[places[0]] for place in places] == [0, 2, 2, 4, 6]


@together
@watched
@pytest.mark.long
def test_a_dashboard_is_drawn_from_what_prometheus_answers(tmp_path):
    file = tmp_path / "page.svg"
    assert f": {file}" in told("dashboard", "--seconds", "10", "--file", str(file))
    texts = [element.text for element in drawn(file.read_text()).iter() if element.text]
    assert {"Quayside: web", "Requests", "Time to answer"} <= set(texts)
    assert any(re.fullmatch(r"200 \S+ req/s", text) for text in texts)


@together
@watched
@pytest.mark.long
def test_an_alert_fires_and_is_resolved():
    said = re.findall(r"(frozen|pending|fires|back|resolved)\b", told("alert"))
    assert said == ["frozen", "pending", "fires", "back", "resolved"]


# --- What needs no desk -------------------------------------------------------------------------


def span(number, parent, service, name, began, **facts):
    return Span(b"t", number, parent, service, name, began, began + 2_000_000, facts)


def test_spans_stand_below_what_began_them_in_the_order_of_time():
    spans = [
        span(b"c", b"b", "worker", "DELETE", 9_000_000, **{"db.query.text": "DELETE FROM x"}),
        span(b"b", b"a", "worker", "run", 5_000_000),
        span(b"a", b"elsewhere", "web", "POST", 1_000_000),
    ]
    assert [line.split(None, 2)[2] for line in trace.tree(spans)[1:]] == [
        "web  POST",
        "worker  run",
        "DELETE  DELETE FROM x",
    ]
    assert trace.tree(spans)[2].startswith("      4.0        2.0    worker")


PAGE = {
    "title": "A & B",
    "panels": [
        {
            "title": name,
            "type": kind,
            "gridPos": {"x": 8 * place, "y": 0, "w": 8, "h": 8},
            "fieldConfig": {"defaults": {"unit": "s"}},
        }
        for place, (name, kind) in enumerate(
            [("Lines", "timeseries"), ("Nothing", "timeseries"), ("One", "stat")]
        )
    ],
}


def test_a_picture_has_a_line_for_each_answer_and_says_where_there_is_none():
    series = [Series({"view": f"<{n}>"}, [(0.0, 0.0), (10.0, 0.25)]) for n in range(6)]
    many = drawing.lines({"legendFormat": "{{view}} p99"}, series)
    stat = [drawing.Line("up", [(10.0, 3.0)])]
    root = drawn(drawing.draw(PAGE, [many, [], stat], 0.0, 10.0))
    texts = [element.text for element in root.iter() if element.text]
    assert {"A & B", "<0> p99 250 ms", "nothing to tell", "3 s", "00:00:10"} <= set(texts)
    assert len([path for path in root.iter() if path.get("class") == "line"]) == 6


@pytest.mark.parametrize("path", sorted(PAGES.glob("*.json")), ids=lambda path: path.stem)
def test_every_page_of_ours_can_be_drawn(path):
    page = drawing.read(path.read_text())
    line = [drawing.Line("one", [(0.0, 1.0), (10.0, 20.0)])]
    picture = drawn(drawing.draw(page, [line] * len(page["panels"]), 0.0, 10.0))
    texts = {element.text for element in picture.iter()}
    assert {panel["title"] for panel in page["panels"]} <= texts


def test_what_is_no_number_is_left_out():
    answer = [Series({}, [(0.0, float("nan")), (1.0, 2.0)]), Series({}, [(0.0, float("nan"))])]
    (line,) = drawing.lines({"legendFormat": "rate"}, answer)
    assert line.points == [(1.0, 2.0)]


@pytest.mark.parametrize(
    ("value", "unit", "written"),
    [
        (0.0123, "s", "12.3 ms"),
        (90.0, "s", "90 s"),
        (0.5, "percentunit", "50.0%"),
        (12_345.0, "short", "12.3k"),
        (1.5, "reqps", "1.5 req/s"),
    ],
)
def test_amounts_are_written_in_their_unit(value, unit, written):
    assert drawing.amount(value, unit) == written


def test_a_show_changes_nothing_of_the_deployment_but_where_and_how_often_it_looks():
    made = prometheus.configuration("http://127.0.0.1:8123")
    assert made["rule_files"] == [str(BASE_DIR / "deploy" / "prometheus" / "rules.yml")]
    (job,) = made["scrape_configs"]
    assert job["job_name"] == "quayside"
    assert job["static_configs"] == [{"targets": ["127.0.0.1:8123"]}]
