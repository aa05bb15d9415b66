"""The replaced system's metrics, over HTTP."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from accounts.models import Scope
from accounts.services import tokens
from accounts.tests.people import make_user
from orgs.models import Day, OrgDay
from orgs.services import board
from orgs.services.board import Period
from orgs.tests.companies import make_desk_manager, make_org

pytestmark = pytest.mark.django_db

TOP = "/api/metrics/top-orgs"


@pytest.fixture(autouse=True)
def _closed(settings):
    settings.OPEN_ENDPOINTS = []


@pytest.fixture
def manager(client):
    client.force_login(make_desk_manager())
    return client


@pytest.fixture
def three():
    return [make_org(f"Harbour {name}", actions=n) for n, name in enumerate(("One", "Two", "Six"))]


def test_the_first_page_has_the_replaced_systems_shape(manager, three):
    body = manager.get(TOP, {"limit": 2}).json()
    assert [row["name"] for row in body["data"]] == ["Harbour Six", "Harbour Two"]
    assert set(body["data"][0]) == {"rank", "id", "name", "slug", "actions", "lastActiveAt"}
    assert body["pagination"] == {
        "page": 1,
        "limit": 2,
        "total": 3,
        "totalPages": 2,
        "hasMore": True,
    }


def test_a_search_and_a_page_are_combined(manager, three):
    body = manager.get(TOP, {"limit": 1, "page": 2, "search": " HARBOUR "}).json()
    assert [row["name"] for row in body["data"]] == ["Harbour Two"]
    assert body["pagination"]["total"] == 3


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"page": "0"}, "page"),
        ({"page": "x"}, "page"),
        ({"limit": "1001"}, "limit"),
        ({"limit": "-1"}, "limit"),
        ({"search": "a" * 101}, "search"),
        ({"search": "a\x00"}, "search"),
        ({"period": "d8"}, "period"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_bad_parameter_is_named(manager, query, field):
    answer = manager.get(TOP, query)
    assert answer.status_code == 400
    assert field in answer.json()["error"]["fields"]


def test_who_holds_the_newest_answer_gets_304_until_something_changes(manager, three):
    first = manager.get(TOP)
    assert first["Cache-Control"] == "private, max-age=60"
    assert first["ETag"].startswith('W/"')
    assert manager.get(TOP, headers={"If-None-Match": first["ETag"]}).status_code == 304
    make_org("Harbour Nine", actions=9)
    changed = manager.get(TOP, headers={"If-None-Match": first["ETag"]})
    assert changed.status_code == 200
    assert changed.json()["data"][0]["name"] == "Harbour Nine"


def test_another_question_has_another_tag(manager, three):
    one, two = (manager.get(TOP, {"search": term})["ETag"] for term in ("one", "two"))
    assert one != two


def test_a_capped_total_says_so_and_can_be_asked_for_exactly(manager, three, monkeypatch):
    monkeypatch.setattr("orgs.services.search.COUNTED", 2)
    board.build()
    told = manager.get(TOP, {"search": "harbour"}).json()["pagination"]
    assert (told["total"], told["totalIsCapped"]) == (2, True)
    told = manager.get(TOP, {"search": "harbour", "exactTotal": "true"}).json()["pagination"]
    assert told["total"] == 3
    assert "totalIsCapped" not in told


def test_an_answer_without_the_newest_changes_says_from_when_it_is(manager, three, monkeypatch):
    board.build()
    assert "X-Board-As-Of" not in manager.get(TOP)
    make_org("Harbour Nine", actions=9)
    assert "X-Board-As-Of" not in manager.get(TOP)
    built = board.newest(Period.ALL).built_at.isoformat()
    by_name = manager.get(TOP, {"sort": "name"})
    assert by_name["X-Board-As-Of"] == built
    monkeypatch.setattr(board, "MAX_DELTA", 0)
    late = manager.get(TOP)
    assert late["X-Board-As-Of"] == built
    assert set(late.json()) == {"data", "pagination"}
    known = manager.get(TOP, headers={"If-None-Match": late["ETag"]})
    assert (known.status_code, known["X-Board-As-Of"]) == (304, built)
    page = manager.get("/orgs/").content.decode()
    assert "As of <time datetime=" in page


def test_csv_honours_the_search(manager, three):
    answer = manager.get(TOP, {"format": "csv", "search": "six"})
    lines = answer.content.decode().splitlines()
    assert lines[0] == "rank,id,name,slug,actions,lastActiveAt"
    assert [line.split(",")[2] for line in lines[1:]] == ["Harbour Six"]


def test_a_period_counts_its_own_days_only(manager, three):
    today = timezone.now().astimezone(UTC).date()
    OrgDay.objects.create(org_id=three[0].pk, day=today, actions=40)
    OrgDay.objects.create(org_id=three[1].pk, day=today - timedelta(days=7), actions=90)
    board.build(Period.D7)
    body = manager.get(TOP, {"period": "d7"}).json()
    assert [(row["name"], row["actions"]) for row in body["data"]] == [("Harbour One", 40)]


def test_everybody_reads_where_the_door_is_open(client, three, settings):
    assert client.get(TOP).status_code == 401
    settings.OPEN_ENDPOINTS = ["metrics"]
    answer = client.get(TOP)
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "public, max-age=60"


def test_a_customer_may_not_and_a_token_needs_its_scope(client, three):
    client.force_login(make_user("customer"))
    assert client.get(TOP).status_code == 403
    manager = make_desk_manager()
    for scope, status in ((Scope.READ, 200), (Scope.EVENTS, 403)):
        _, secret = tokens.create(user=manager, name="t", scopes=[scope], expires_at=None)
        answer = client.get(TOP, headers={"Authorization": f"Bearer {secret}", "Cookie": ""})
        assert answer.status_code == status


def test_too_many_requests_are_told_when_to_come_back(client, three, settings, monkeypatch):
    settings.OPEN_ENDPOINTS = ["metrics"]
    monkeypatch.setattr("foundation.throttling.AnonThrottle.rate", "2/min", raising=False)
    answers = [client.get(TOP) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert int(answers[-1]["Retry-After"]) > 0


def test_dau_has_every_day_and_today(manager):
    today = timezone.now().astimezone(UTC).date()
    Day.objects.create(day=today, actions=7, dau=3)
    answer = manager.get("/api/metrics/dau", {"days": 3})
    assert answer["Cache-Control"] == "private, max-age=300"
    dates = [str(today - timedelta(days=back)) for back in (2, 1, 0)]
    assert [row["date"] for row in answer.json()["data"]] == dates
    assert answer.json()["data"][-1] == {"date": str(today), "dau": 3, "actions": 7}
    held = {"If-None-Match": answer["ETag"]}
    assert manager.get("/api/metrics/dau", {"days": 3}, headers=held).status_code == 304


def test_without_a_lane_the_stream_is_the_same_text(manager, three):
    board.build()
    answer = manager.get("/api/metrics/orgs-stream", {"chunkSize": 2})
    text = b"".join(answer.streaming_content).decode()
    messages = [part for part in text.split("\n\n") if "data:" in part]
    told = [json.loads(part.split("data: ", 1)[1]) for part in messages]
    assert [row["rank"] for message in told[:-1] for row in message["data"]] == [1, 2, 3]
    assert messages[-1].startswith("event: end")
    assert told[-2]["progress"] == {"sent": 3, "total": 3}


def test_times_are_written_in_utc_to_the_millisecond():
    from orgs.api.metrics import written

    assert written(datetime(2026, 1, 2, 3, 4, 5, 678900, UTC)) == "2026-01-02T03:04:05.678Z"
    assert written(None) is None
