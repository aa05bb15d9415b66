"""The board by name and by the last action, upwards and downwards, with and without a search."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from psycopg import sql

from orgs.models import Organisation, Stat
from orgs.services import board, board_orders, search
from orgs.services.board import Period
from orgs.services.board_orders import Order
from orgs.tests.companies import make_desk_manager, make_org

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
WORDS = ("Acme", "Quay", "harbour", "Über", "zenith", "Kwik")
# What each order is by, of ``(id, name, actions, last active)``; ranks break ties.
KEYS = {
    Order.MOST_ACTIONS: lambda o: (-o[2], o[0]),
    Order.FEWEST_ACTIONS: lambda o: (o[2], -o[0]),
    Order.NAME: lambda o: (o[1].lower(), -o[2], o[0]),
    Order.LATEST: lambda o: (o[3] is None, -(o[3] or NOW).timestamp(), -o[2], o[0]),
}
REVERSED = {Order.NAME_DOWN: Order.NAME, Order.LONGEST_QUIET: Order.LATEST}


@pytest.fixture
def known():
    """Two hundred organisations on a fresh board, as ``(id, name, actions, last active)``."""
    rng = random.Random(7)
    for number in range(200):
        name = f"{rng.choice(WORDS)} {rng.choice(WORDS)} {number % 90}"
        made = Organisation.objects.create(name=name, slug=f"o{number}")
        last = NOW - timedelta(hours=rng.randrange(50)) if number % 5 else None
        Stat.objects.create(org_id=made.pk, actions=rng.randrange(40), last_active_at=last)
    board.build()
    stats = {stat.org_id: stat for stat in Stat.objects.all()}
    return [
        (org.pk, org.name, stats[org.pk].actions, stats[org.pk].last_active_at)
        for org in Organisation.objects.all()
    ]


def expected(known, order, term=""):
    hits = [org for org in known if term.lower() in org[1].lower()]
    forwards = sorted(hits, key=KEYS[REVERSED.get(order, order)])
    return [org[0] for org in (reversed(forwards) if order in REVERSED else forwards)]


@pytest.mark.parametrize("order", Order)
def test_every_order_is_that_of_the_plainly_sorted_rows(known, order):
    for term in ("", "kwik", "ku", "k q", "7", "über"):
        found = search.page(skip=0, limit=500, term=term, order=order)
        assert [row.id for row in found.rows] == expected(known, order, term), term
        assert (found.total, found.more) == (len(found.rows), False)


@pytest.mark.parametrize("order", Order)
def test_pages_of_an_order_follow_each_other(known, order):
    pages = [search.page(skip=skip, limit=30, order=order) for skip in range(0, 210, 30)]
    assert [row.id for page in pages for row in page.rows] == expected(known, order)
    assert [page.more for page in pages] == [True] * 6 + [False]


@pytest.mark.parametrize("order", Order)
def test_behind_the_last_page_of_an_order_there_is_nothing(known, order):
    for skip in (200, 201, 10**12):
        found = search.page(skip=skip, limit=30, order=order)
        assert (found.rows, found.more, found.total) == ([], False, 200)


def test_the_last_page_of_an_order_is_read_as_the_first_one_without_a_walk(known):
    copy = board.newest(Period.ALL)
    for order in (Order.NAME, Order.LONGEST_QUIET):
        places = board_orders.PLACES[order]
        above, upto = board_orders.bounds(places, copy.total, 195, 5)
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
        table = board_orders.table_of(copy.table, places.numbers)
        plan = search._select(
            "EXPLAIN (ANALYZE, FORMAT JSON) " + board_orders.BY_PLACE,
            board=copy.table,
            places=sql.Identifier(table),
            above=above,
            upto=upto,
        )[0][0][0]["Plan"]
        read, nodes = 0, [plan]
        while nodes:
            node = nodes.pop()
            nodes += node.get("Plans", [])
            if node.get("Relation Name") == table:
                read += node["Actual Rows"] * node["Actual Loops"]
        assert read == 5


def test_a_copy_that_an_older_release_has_made_is_due_at_once(known):
    assert not board.is_due(Period.ALL, timezone.now())
    copy = board.newest(Period.ALL)
    board._execute("DROP TABLE {t}", t=board_orders.table_of(copy.table, "name"))
    assert board.is_due(Period.ALL, timezone.now())


def test_the_tables_of_places_go_with_their_copy(known):
    old = board.newest(Period.ALL)
    for _ in range(2):
        board.build()
    board.drop_old(Period.ALL, timezone.now() + board.KEPT_FOR)
    left = board._rows("SELECT count(*) FROM pg_class WHERE relname LIKE %s", [f"{old.table}\\_%"])
    assert left == [(0,)]


def test_a_period_can_be_sorted_as_well(known):
    assert search.page(skip=0, limit=5, period=Period.D7, order=Order.NAME).rows == []


@pytest.fixture
def desk():
    client = Client()
    client.force_login(make_desk_manager())
    return client


def test_heads_of_the_page_sort_and_say_how(known, desk):
    page = desk.get("/orgs/?search=kwik&sort=name").content.decode()
    assert 'aria-sort="ascending" data-first="name"' in page
    assert 'href="?search=kwik&amp;period=all&amp;sort=-name"' in page
    assert 'href="?search=kwik&amp;period=all&amp;sort=-actions"' in page
    assert 'href="?search=kwik&amp;period=all&amp;sort=-lastActive"' in page
    assert 'format=csv&amp;search=kwik&amp;period=all&amp;sort=name"' in page


def test_the_api_and_its_file_sort_too(known, desk):
    told = desk.get("/api/metrics/top-orgs?sort=-name&limit=7&page=2").json()
    assert [row["id"] for row in told["data"]] == expected(known, Order.NAME_DOWN)[7:14]
    file = desk.get("/api/metrics/top-orgs?sort=-name&format=csv").content.decode()
    ids = [line.split(",")[1] for line in file.splitlines()[1:]]
    assert ids == [str(number) for number in expected(known, Order.NAME_DOWN)]
    assert desk.get("/api/metrics/top-orgs?sort=size").status_code == 400


def test_answers_in_different_orders_have_different_tags(known, desk):
    tags = {desk.get(f"/api/metrics/top-orgs?sort={order}")["ETag"] for order in Order}
    assert len(tags) == len(Order)


def test_an_empty_board_says_what_to_do(desk):
    assert "No organisation yet" in desk.get("/orgs/").content.decode()
    make_org("Acme")
    assert "No organisation yet" not in desk.get("/orgs/").content.decode()
    quiet = desk.get("/orgs/?period=d7").content.decode()
    assert "did anything in this period" in quiet
