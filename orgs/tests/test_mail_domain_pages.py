"""The list of mail domains: pages, searches, orders, its file, and the trend of each."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.tests.people import make_user
from foundation.errors import InvalidInput, Unavailable
from orgs import tasks
from orgs.models import MailDomain, MailHistory
from orgs.services import mail_domains, mail_trends
from orgs.services.mail_domains import Order, Question
from orgs.services.mail_trends import Trend
from orgs.services.verdicts import Verdict
from orgs.tests.companies import make_desk_manager

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume"),
]
TODAY = date(2026, 3, 20)


@pytest.fixture(autouse=True)
def _closed(settings):
    settings.OPEN_ENDPOINTS = []


@pytest.fixture
def desk():
    client = Client()
    client.force_login(make_desk_manager())
    return client


def put(*rows):
    MailDomain.objects.bulk_create(
        MailDomain(domain=domain, delivered=delivered, bounced=bounced)
        for domain, delivered, bounced in rows
    )


def put_some():
    put(
        ("acme.test", 1000, 0),
        ("b_c.test", 999, 0),
        ("mail.acme.test", 5000, 3),
        ("xn--bcher-kva.test", 1, 0),
        ("zeta.test", 0, 7),
    )


def names(asked, rows=100):
    return [line.domain for line in mail_domains.page(asked, rows=rows, today=TODAY).lines]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (Question(), ["acme", "b_c", "mail.acme", "xn--bcher-kva", "zeta"]),
        (Question("ACME"), ["acme", "mail.acme"]),
        (Question("b_"), ["b_c"]),
        (Question("%"), []),
        (Question("Bücher.test"), ["xn--bcher-kva"]),
        (Question(verdict=Verdict.CATCH_ALL), ["acme"]),
        (Question(verdict=Verdict.UNKNOWN), ["b_c", "xn--bcher-kva"]),
        (Question("acme", Verdict.NOT_CATCH_ALL), ["mail.acme"]),
        (Question(order=Order.EVENTS), ["mail.acme", "acme", "b_c", "zeta", "xn--bcher-kva"]),
        (Question(order=Order.BOUNCED), ["zeta", "mail.acme", "acme", "b_c", "xn--bcher-kva"]),
    ],
)
def test_a_question_is_answered_with_these_domains_in_this_order(asked, expected):
    put_some()
    assert names(asked) == [f"{name}.test" for name in expected]
    assert mail_domains.count(asked) == (len(expected), False)


@pytest.mark.parametrize("order", Order)
def test_pages_follow_each_other_without_a_gap_or_a_repeat(order):
    put(*((f"d{number:03}.test", number % 7, number % 3) for number in range(101)))
    asked, seen, after = Question(order=order), [], ""
    while True:
        page = mail_domains.page(asked, after=after, rows=10, today=TODAY)
        seen += [line.domain for line in page.lines]
        after = page.after
        if not after:
            break
    assert seen == names(asked, rows=1000)
    assert len(set(seen)) == 101


def test_counting_ends_at_a_thousand():
    put(*((f"d{number}.test", 1, 0) for number in range(1001)))
    assert mail_domains.count(Question()) == (1000, True)


@pytest.mark.parametrize("after", ["x", "1", "-1 a.test", "1 " + "a" * 400, "1 a\x00b"])
def test_a_position_that_no_page_ended_with_is_refused(after):
    with pytest.raises(InvalidInput) as refused:
        mail_domains.page(Question(), after=after, rows=1, today=TODAY)
    assert "after" in refused.value.fields


@pytest.mark.parametrize(("hour", "noted"), [(0, [[10, 0]]), (1, [])])
def test_any_turn_in_the_first_hour_notes_the_day_and_none_later(monkeypatch, hour, noted):
    put(("a.test", 10, 0))
    now = datetime(2026, 11, 21, hour, 51, tzinfo=UTC)
    monkeypatch.setattr(tasks, "timezone", SimpleNamespace(now=lambda: now))
    tasks.note_mail_days()
    assert list(MailHistory.objects.values_list("events", flat=True)) == noted


def trend_of(domain, today):
    page = mail_domains.page(Question(domain), rows=1, today=today)
    return page.lines[0].trend


def test_the_trend_of_a_domain_is_two_weeks_of_what_days_began_with():
    put(("a.test", 0, 0))
    for age in range(20, -1, -1):
        mail_trends.note(TODAY - timedelta(days=age))
        # Ten events each day until a week ago, thirty since.
        more = 30 if age < 7 else 10
        MailDomain.objects.update(delivered=MailDomain.objects.get().delivered + more)
    assert trend_of("a.test", TODAY) == Trend(week=7 * 30, before=7 * 10)
    assert len(MailHistory.objects.get().events) == mail_trends.KEPT


def test_a_domain_that_appeared_lately_had_nothing_before():
    put(("old.test", 5, 0))
    mail_trends.note(TODAY - timedelta(days=10))
    put(("new.test", 8, 1))
    assert trend_of("new.test", TODAY) == Trend(9, 0)
    mail_trends.note(TODAY - timedelta(days=1))
    MailDomain.objects.filter(domain="new.test").update(delivered=10)
    assert trend_of("new.test", TODAY) == Trend(11, 0)
    assert trend_of("new.test", TODAY + timedelta(days=6)) == Trend(2, 9)


def test_days_without_a_note_change_nothing_of_what_is_known():
    put(("a.test", 10, 0))
    mail_trends.note(TODAY - timedelta(days=10))
    mail_trends.note(TODAY - timedelta(days=9))
    MailDomain.objects.update(delivered=25)
    mail_trends.note(TODAY - timedelta(days=2))
    assert MailHistory.objects.get().events == [25, 10, 10, 10, 10, 10, 10, 10, 10, 0]
    assert trend_of("a.test", TODAY) == Trend(15, 10)


def test_noting_a_day_twice_is_noting_it_once():
    put(("a.test", 10, 0), ("b.test", 7, 0))
    mail_trends.note(TODAY - timedelta(days=1))
    MailDomain.objects.filter(domain="a.test").update(delivered=20)
    mail_trends.note(TODAY)
    # What moved or appeared since is of today, not of what it began with.
    MailDomain.objects.update(delivered=25)
    put(("c.test", 9, 0))
    mail_trends.note(TODAY)
    noted = dict(MailHistory.objects.values_list("domain", "events"))
    assert noted == {"a.test": [20, 10, 0], "b.test": [7, 0]}


def test_the_page_lists_searches_and_pages_without_a_script(desk):
    put(*((f"d{number:03}.test", number, 0) for number in range(120)))
    first = desk.get("/orgs/domains/?sort=events")
    assert first.content.decode().count('<th scope="row"') == 50
    assert "120 domains" in first.content.decode()
    assert "d119.test" in first.content.decode()
    following = first.content.decode().split('rel="next" href="')[1].split('"')[0]
    second = desk.get(f"/orgs/domains/{following.replace('&amp;', '&')}").content.decode()
    assert "d069.test" in second
    assert "First page" in second
    assert "1 domain<" in desk.get("/orgs/domains/?search=d007").content.decode()


@pytest.mark.parametrize(
    "query", ["after=x", "sort=x&verdict=x", "search=%00", "search=日", "after=1+%00"]
)
def test_a_strange_address_still_shows_the_page(desk, query):
    assert desk.get(f"/orgs/domains/?{query}").status_code == 200


def test_the_page_asks_the_database_as_often_for_many_as_for_few(
    desk, django_assert_max_num_queries
):
    put_some()
    desk.get("/orgs/domains/")
    put(*((f"d{number:03}.test", number, 0) for number in range(60)))
    with django_assert_max_num_queries(11):
        desk.get("/orgs/domains/")


def test_domains_are_for_those_who_see_all_metrics(client, settings):
    eve = Client()
    eve.force_login(make_user("eve"))
    assert eve.get("/orgs/domains/").status_code == 404
    assert eve.get("/api/v1/domains").status_code == 403
    assert client.get("/orgs/domains/").status_code == 302
    assert client.get("/api/v1/domains").status_code == 401
    settings.OPEN_ENDPOINTS = ["metrics"]
    assert client.get("/orgs/domains/").status_code == 200


def test_the_api_pages_by_its_next_address(desk):
    put_some()
    first = desk.get("/api/v1/domains?limit=2&sort=events").json()
    assert [row["domain"] for row in first["domains"]] == ["mail.acme.test", "acme.test"]
    assert first["domains"][1] == {
        "domain": "acme.test",
        "delivered": 1000,
        "bounced": 0,
        "verdict": "catch-all",
        "events_7_days": 1000,
        "events_7_before": 0,
    }
    second = desk.get(first["next"]).json()
    assert [row["domain"] for row in second["domains"]] == ["b_c.test", "zeta.test"]
    assert desk.get(second["next"]).json()["next"] is None


@pytest.mark.parametrize(
    "query", ["sort=size", "verdict=no", "after=x", "limit=0", "search=日%20x"]
)
def test_the_api_names_what_it_does_not_understand(desk, query):
    for kind in ("json", "csv"):
        if (query[:5], kind) == ("after", "csv"):
            continue
        answer = desk.get(f"/api/v1/domains?{query}&format={kind}")
        assert answer.status_code == 400
        assert query.partition("=")[0] in answer.json()["error"]["fields"]


def test_the_file_holds_all_that_match_and_no_formula(desk, monkeypatch):
    monkeypatch.setattr(mail_domains, "WALKED", 7)
    put(*((f"d{number:02}.test", number, 0) for number in range(30)))
    put(("-1+2.test", 5, 0))
    answer = desk.get("/api/v1/domains?format=csv&sort=name")
    table = list(csv.reader(io.StringIO(b"".join(answer).decode())))
    assert len(table) == 32
    assert table[1][0] == "'-1+2.test"
    assert table[2] == ["d00.test", "0", "0", "unknown", "0", "0"]
    some = desk.get("/api/v1/domains?format=csv&search=d1&sort=events")
    shown = list(csv.reader(io.StringIO(b"".join(some).decode())))
    assert [row[0] for row in shown[1:]] == [f"d{number}.test" for number in range(10, 20)]


def test_a_search_that_takes_too_long_is_ended_and_told(desk, monkeypatch):
    put(("a.test", 3, 0))
    monkeypatch.setattr(mail_domains, "PAGE_SECONDS", 0.05)
    with monkeypatch.context() as slow:
        slow.setattr(mail_domains, "PAGE", "SELECT pg_sleep(60)")
        answer = desk.get("/api/v1/domains?search=a")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "too_slow")
        assert int(answer["Retry-After"]) > 0
    with monkeypatch.context() as slow:
        slow.setattr(mail_domains, "COUNT", "SELECT pg_sleep(60)")
        with pytest.raises(Unavailable):
            mail_domains.count(Question("a"))
    assert desk.get("/api/v1/domains?search=a").status_code == 200


def test_a_part_of_the_file_looks_up_the_history_of_its_own_rows_only():
    put(*((f"d{number:05}.test", number, 0) for number in range(20_000)))
    mail_trends.note(TODAY)
    statement = mail_domains.PAGE.format(match="true", order="domain")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE orgs_mail_domain, orgs_mail_history")
        cursor.execute(f"EXPLAIN {statement}", {"rows": mail_domains.WALKED})
        plan = " ".join(line for (line,) in cursor.fetchall())
    assert "Seq Scan" not in plan


def test_the_trend_of_today_needs_no_note(desk):
    put(("a.test", 3, 0))
    assert desk.get("/api/v1/domains").json()["domains"][0]["events_7_days"] == 3
    assert (
        mail_domains.page(Question(), rows=1, today=timezone.now().date()).lines[0].trend.week == 3
    )
