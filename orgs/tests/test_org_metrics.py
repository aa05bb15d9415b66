"""Users of days, weeks and months, how they come and go, against counting by hand."""

import random
from datetime import UTC, date, timedelta

import pytest
from django.utils import timezone

from orgs.models import OrgDay, OrgUserDay
from orgs.services import cohorts, metrics, movers, partitions
from orgs.services.metrics import Figure
from orgs.tests.companies import make_org

pytestmark = pytest.mark.django_db


@pytest.fixture
def last():
    return timezone.now().astimezone(UTC).date()


@pytest.fixture
def active(last):
    """Note who was active how many days ago, with the roll-ups that ingest would have written."""

    def note(org, seen):
        """``seen``: days ago -> users."""
        days = {last - timedelta(days=back): set(users) for back, users in seen.items()}
        partitions.make(days, ["orgs_org_user_day"])
        for day, users in days.items():
            OrgDay.objects.create(org_id=org.pk, day=day, actions=3 * len(users), dau=len(users))
            OrgUserDay.objects.bulk_create(
                OrgUserDay(day=day, org_id=org.pk, user_id=user) for user in users
            )

    return note


def test_headline_figures_stand_beside_those_of_the_period_before(active, last):
    org = make_org()
    active(org, {0: {1, 2}, 1: {1}, 6: {3}, 7: {9}, 29: {4}, 30: {5, 6}, 59: {5}})
    head = metrics.headline(org.pk, last)
    assert head.dau == Figure(2, 1)
    assert head.wau == Figure(3, 1)
    assert head.mau == Figure(5, 2)
    assert head.actions == Figure(18, 9)
    assert head.stickiness.now == pytest.approx(6 / 30 / 5)
    assert head.dau.growth == 1.0
    assert Figure(3, 0).growth is None


def test_nobody_was_ever_here_is_zeros_and_no_division(last):
    head = metrics.headline(make_org().pk, last)
    assert (head.mau, head.stickiness) == (Figure(0, 0), Figure(0, 0))
    assert len(metrics.org_days(1, first=last - timedelta(days=2), last=last)) == 3


def test_a_week_knows_who_is_new_returning_resurrected_and_dormant(active, last):
    org = make_org()
    # Weeks ago: user 1 in 2, 1 and 0; user 2 in 2 and 0; user 3 in 1; user 4 in 0.
    active(org, {0: {1, 2, 4}, 8: {1, 3}, 15: {1, 2}})
    weeks = cohorts.lifecycle(org.pk, last)
    told = [(w.new, w.returning, w.resurrected, w.dormant) for w in weeks[-3:]]
    assert told == [(2, 0, 0, 0), (1, 1, 0, 1), (1, 1, 1, 1)]
    assert [week.last for week in weeks] == [
        last - timedelta(days=7 * n) for n in range(11, -1, -1)
    ]


def test_a_cohort_is_followed_through_every_week_since(active, last):
    org = make_org()
    active(org, {0: {1, 2, 4}, 8: {1, 3}, 15: {1, 2}})
    found = cohorts.retention(org.pk, last)
    assert [cohort.active for cohort in found[-3:]] == [[2, 1, 2], [1, 0], [1]]
    assert [len(cohort.active) for cohort in found] == list(range(12, 0, -1))


def test_lifecycle_and_retention_of_random_users_equal_counting_by_hand(active, last):
    org, rng = make_org(), random.Random(5)
    seen = {back: set(rng.sample(range(40), rng.randrange(0, 12))) for back in range(0, 84, 3)}
    active(org, seen)
    weeks = [set().union(*(u for b, u in seen.items() if b // 7 == age)) for age in range(13)]
    for week, age in zip(cohorts.lifecycle(org.pk, last), range(11, -1, -1), strict=True):
        before = set().union(*weeks[age + 1 :])
        now, previous = weeks[age], weeks[age + 1]
        assert week.new == len(now - before)
        assert week.returning == len(now & previous)
        assert week.resurrected == len((now & before) - previous)
        assert week.dormant == len(previous - now)
    for cohort, age in zip(cohorts.retention(org.pk, last), range(11, -1, -1), strict=True):
        first = weeks[age] - set().union(*weeks[age + 1 :])
        assert cohort.size == len(first)
        assert cohort.active == [len(first & weeks[age - n]) for n in range(age + 1)]


def test_other_organisations_do_not_count(active, last):
    org, other = make_org("One"), make_org("Other")
    active(other, {0: {1, 2}})
    assert metrics.headline(org.pk, last).mau == Figure(0, 0)
    assert all(cohort.size == 0 for cohort in cohorts.retention(org.pk, last))


def test_movers_are_counted_once_and_kept(last):
    growing, quiet, steady = make_org("Growing"), make_org("Quiet"), make_org("Steady")
    for org, now, before in ((growing, 90, 10), (quiet, 5, 200), (steady, 50, 50)):
        OrgDay.objects.create(org_id=org.pk, day=last, actions=now)
        OrgDay.objects.create(org_id=org.pk, day=last - timedelta(days=7), actions=before)
    assert movers.kept() is None
    movers.count(last)
    found = movers.kept()
    assert found is not None
    assert [(m.name, m.change) for m in found.growing] == [("Growing", 80)]
    assert [(m.name, m.now) for m in found.quiet] == [("Quiet", 5)]


def test_the_desks_days_have_no_holes(last):
    days = metrics.desk_days(first=date(2026, 1, 1), last=date(2026, 1, 3))
    assert [(day.day.day, day.dau) for day in days] == [(1, 0), (2, 0), (3, 0)]
