"""The board against the plain sorted question on the same rows."""

import random
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from foundation.errors import InvalidInput, Unavailable
from orgs.models import Organisation, Stat
from orgs.services import board, search, seeding
from orgs.services.board import Period
from orgs.services.board_orders import Order
from orgs.tests.events import IN_FULL

pytestmark = pytest.mark.django_db

COUNT = 3000
SHOWN = 1_000_000 if IN_FULL else COUNT
PLAIN = """
SELECT o.id, o.name, coalesce(s.actions, 0) FROM orgs_organisation o
LEFT JOIN orgs_stat s ON s.org_id = o.id
WHERE position(lower(%s) IN lower(o.name)) > 0 ORDER BY 3 DESC, 1 LIMIT %s OFFSET %s
"""


@pytest.fixture(autouse=True)
def _small_partitions(monkeypatch):
    """So that a search of the tests crosses them as one of a million does."""
    monkeypatch.setattr(board, "EDGES", (50, 300, 1500))


@pytest.fixture
def thousands():
    seeding.add_organisations(COUNT)


def plain(term, *, skip=0, limit=50):
    with connection.cursor() as cursor:
        cursor.execute(PLAIN, [term, limit, skip])
        return cursor.fetchall()


def found(term, *, skip=0, limit=50, **more):
    page = search.page(skip=skip, limit=limit, term=term, **more)
    return [(row.id, row.name, row.actions) for row in page.rows]


def random_terms(count, seed=7):
    rng = random.Random(seed)
    names = list(Organisation.objects.values_list("name", flat=True))
    for _ in range(count):
        name = rng.choice(names)
        length = rng.randint(2, 9)
        start = rng.randrange(max(len(name) - length, 1))
        yield name[start : start + length]


def bump(count, seed=3):
    """Count random actions, as a stream of events would."""
    rng = random.Random(seed)
    ids = list(Stat.objects.values_list("org_id", flat=True).order_by("org_id"))
    for org_id in rng.sample(ids, count):
        Stat.objects.filter(org_id=org_id).update(actions=rng.randrange(1, 5000))


def test_two_hundred_random_terms_give_the_rows_and_order_of_the_plain_question(monkeypatch):
    if IN_FULL:
        monkeypatch.setattr(board, "EDGES", (20_000, 200_000, 2_000_000))
    seeding.add_organisations(SHOWN)
    wrong = [term for term in random_terms(200) if found(term) != plain(term)]
    assert wrong == []


def test_the_newest_changes_are_in_their_places_before_a_new_copy_is_made(thousands):
    bump(400)
    Organisation.objects.filter(pk=5).update(name="Zebra Crossing Union")
    Organisation.objects.create(name="Newest Lighthouse", slug="newest-lighthouse")
    Organisation.objects.filter(pk=6).delete()
    wrong = [term for term in [*random_terms(100), "zebra", "newest"] if found(term) != plain(term)]
    assert wrong == []
    assert found("") == plain("")
    assert search.page(skip=0, limit=1).total == COUNT
    assert search.page(skip=0, limit=1, term="newest").rows[0].rank is None


def test_a_new_copy_holds_what_changed_and_empties_the_delta(thousands):
    bump(400)
    Organisation.objects.create(name="Newest Lighthouse", slug="newest-lighthouse")
    before = board.newest(Period.ALL)
    after = board.build()
    assert after is not None
    assert (after.version, after.total) == (before.version + 1, COUNT + 1)
    assert search.state().delta == search.NOTHING
    assert [term for term in random_terms(60) if found(term) != plain(term)] == []


def test_what_changes_while_a_copy_is_made_stays_in_the_delta(thousands, monkeypatch):
    make = board._make_tables

    def make_and_change(period, name):
        make(period, name)
        Stat.objects.filter(org_id=9).update(actions=77_000_000)

    monkeypatch.setattr(board, "_make_tables", make_and_change)
    bump(20)
    board.build()
    assert search.state().delta.size == 1
    assert found("", limit=1) == plain("", limit=1)
    assert found("", limit=1)[0][0] == 9


@pytest.mark.parametrize(
    "term",
    [
        "zyxqvar",
        "kwik",
        "nothing has this",
        "qu",
        "ZY",
        "&",
        "& ",
        "&&&",
        "...",
        "%",
        "_",
        "\\",
        "'",
    ],
)
def test_terms_that_mislead_planners_and_patterns_are_only_slow_for_them(thousands, term):
    Organisation.objects.create(name="100% _under\\score & 'quoted'...", slug="odd")
    board.build()
    assert found(term) == plain(term)


@pytest.mark.parametrize("term", ["k r", "k-r", "k & r", "qro", "k ro", "-ro", ". &", "k q", "Q"])
def test_what_stands_between_words_is_told_apart(thousands, term):
    names = ["Rock Roll", "Rock-Roll", "Rock & Roll", "RockQRoll", "rock qroll", "Rock. & Roll"]
    for number, name in enumerate(names):
        Organisation.objects.create(name=name, slug=f"apart-{number}")
    board.build()
    assert found(term) == plain(term)


@pytest.mark.parametrize("term", ["Ärzte", "ärzt", "ß&", "东京", "İs"])
def test_letters_beyond_ascii_are_found(thousands, term):
    for number, name in enumerate(["Ärzte Union", "Straß& Co", "东京 Shipping", "İstanbul Trade"]):
        Organisation.objects.create(name=name, slug=f"beyond-{number}")
    assert found(term) == plain(term)
    board.build()
    assert found(term) == plain(term)


def test_every_page_down_to_the_last_one(thousands):
    for skip in (0, 50, 2950, 2990):
        assert found("", skip=skip) == plain("", skip=skip)
        assert found("o", skip=skip) == plain("o", skip=skip)
    assert not search.page(skip=2950, limit=50).more
    assert search.page(skip=2900, limit=50).more
    assert search.page(skip=10**12, limit=50).rows == []


def test_counts_are_exact_up_to_a_thousand(thousands):
    page = search.page(skip=0, limit=10, term="o")
    assert (page.total, page.capped) == (1000, True)
    page = search.page(skip=0, limit=10, term="Harbour")
    assert (page.total, page.capped) == (len(plain("Harbour", limit=5000)), False)
    assert search.count_exactly("o") == len(plain("o", limit=5000))


def test_rows_lie_on_disk_in_the_order_of_their_ranks(thousands):
    for part in range(4):
        breaks = search._select(
            "SELECT count(*) FROM (SELECT rank < lag(rank) OVER (ORDER BY ctid) AS back"
            " FROM {board}) p WHERE back",
            board=f"{board.newest(Period.ALL).table}_{part}",
        )
        assert breaks == [(0,)]


def test_no_plan_sorts_hits_before_it_limits_them(thousands):
    match = search._match("holdings")
    with connection.cursor() as cursor, transaction.atomic():
        cursor.execute("SET LOCAL max_parallel_workers_per_gather = 0")
        plan = search._select(
            "EXPLAIN SELECT * FROM (SELECT * FROM {board} b WHERE {match}"
            " AND b.id NOT IN (SELECT d.id FROM orgs_board_delta d) LIMIT 51) s",
            board=board.newest(Period.ALL).table,
            match=match,
        )
    text = "\n".join(line for (line,) in plan)
    assert "Sort" not in text
    assert "Join" not in text


def test_a_copy_that_is_gone_is_said_to_be(thousands):
    old = board.newest(Period.ALL)
    for _ in range(2):
        board.build()
    board.drop_old(Period.ALL, timezone.now() + board.KEPT_FOR)
    assert board.copy(Period.ALL, old.version) is None
    with pytest.raises(Unavailable) as refused:
        search.chunk(old, after=0, rows=10)
    assert refused.value.code == "board_gone"


def test_a_question_that_takes_too_long_is_ended_and_said_to_be(thousands, monkeypatch):
    monkeypatch.setattr(search, "SETTINGS", search.SETTINGS.replace("'2s'", "'20ms'"))
    monkeypatch.setattr(search, "BY_RANK", "SELECT pg_sleep(60)")
    with pytest.raises(Unavailable) as refused:
        search.page(skip=0, limit=10)
    assert (refused.value.code, refused.value.retry_after) == ("too_slow", search.RETRY_AFTER)


def test_the_copy_before_the_newest_is_kept_for_those_who_read_it(thousands):
    old = board.newest(Period.ALL)
    board.build()
    board.drop_old(Period.ALL, timezone.now() + timedelta(days=1))
    assert search.chunk(old, after=0, rows=10).size == 10


@pytest.mark.parametrize("term", ["a" * 101, "nul\x00", "\ud800"])
def test_what_no_name_can_hold_is_refused(term):
    with pytest.raises(InvalidInput) as refused:
        search.page(skip=0, limit=10, term=term)
    assert "search" in refused.value.fields


def test_a_board_is_due_when_something_changed_and_a_while_has_passed(thousands):
    now = timezone.now()
    assert not board.is_due(Period.ALL, now + timedelta(hours=1))
    bump(1)
    assert not board.is_due(Period.ALL, now)
    assert board.is_due(Period.ALL, now + board.DUE_AT_AGE + timedelta(minutes=1))


def test_before_anything_was_built_the_board_is_what_changed():
    assert search.page(skip=0, limit=10).rows == []
    Organisation.objects.create(name="First One", slug="first-one")
    assert found("first") == plain("first")


def test_too_many_changes_are_left_to_the_next_copy(thousands, monkeypatch):
    monkeypatch.setattr(board, "MAX_DELTA", 10)
    before, built = found(""), board.newest(Period.ALL).built_at
    assert search.page(skip=0, limit=10).as_of is None
    bump(50)
    assert found("") == before
    assert search.page(skip=0, limit=10).as_of == built


def test_an_exact_count_holds_what_changed_since_the_copy(thousands):
    first = Organisation.objects.filter(name__icontains="holdings")[0]
    before = search.count_exactly("holdings")
    Organisation.objects.create(name="Last Holdings", slug="last-holdings")
    assert search.count_exactly("holdings") == before + 1
    Organisation.objects.filter(pk=first.pk).update(name="Nothing of the kind")
    assert search.count_exactly("holdings") == before
    assert search.count_exactly("") == Organisation.objects.count()
    # As the rows of another order, which are the copy's.
    assert search.count_exactly("holdings", order=Order.NAME) == before
    Organisation.objects.filter(pk=first.pk).delete()
    assert search.count_exactly("holdings") == len(plain("holdings", limit=5000))
