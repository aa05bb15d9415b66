"""The profile: what may be said, and what the time zone does to pages."""

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient
from django.urls import reverse

from accounts.models import User
from accounts.tests.people import make_user, sign_in

pytestmark = pytest.mark.django_db
GOOD = {"display_name": "Ann B.", "time_zone": "Asia/Tokyo", "quote_currency": "EUR"}


@pytest.fixture
def ann():
    return make_user("ann")


def save(client, **changes):
    return client.post(reverse("accounts:profile"), {**GOOD, **changes})


def test_a_profile_is_saved_and_shown(ann):
    client = sign_in(ann)
    assert save(client)["Location"] == reverse("accounts:page")
    ann.refresh_from_db()
    assert (ann.display_name, ann.time_zone, ann.quote_currency) == tuple(GOOD.values())
    assert "Ann B." in client.get(reverse("accounts:page")).text


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("time_zone", "Mars/Olympus"),
        ("time_zone", "../../etc/passwd"),
        ("time_zone", "x" * 70),
        ("quote_currency", "ZZZ"),
        ("display_name", "x" * 51),
        ("display_name", "ann\N{RIGHT-TO-LEFT OVERRIDE}"),
        ("display_name", "a\x00b"),
    ],
)
def test_what_a_profile_cannot_say_is_refused_and_nothing_is_saved(ann, field, value):
    answer = save(sign_in(ann), **{field: value})
    assert answer.status_code == 400
    assert answer.context["form"].errors[field]
    assert User.objects.get(pk=ann.pk).quote_currency == "USD"


def test_a_refused_profile_still_shows_the_old_name_elsewhere_on_the_page(ann):
    answer = save(sign_in(ann), display_name="Somebody", time_zone="Mars/Olympus")
    assert answer.context["user"].display_name == ""


def test_a_name_with_markup_is_escaped(ann):
    client = sign_in(ann)
    save(client, display_name="<script>")
    assert "<script>" not in client.get(reverse("accounts:page")).text.replace(
        '<script type="module"', ""
    )


def test_an_unusual_zone_that_was_chosen_elsewhere_stays_chosen(ann):
    User.objects.update(time_zone="US/Eastern")
    text = sign_in(ann).get(reverse("accounts:page")).text
    assert '<option value="US/Eastern" selected>' in text


def test_times_are_told_in_the_zone_of_the_profile(ann):
    User.objects.update(time_zone="Asia/Tokyo")
    assert "Asia/Tokyo" in sign_in(ann).get(reverse("accounts:log")).text


def test_the_zone_of_one_visitor_does_not_reach_the_next(ann, client):
    User.objects.update(time_zone="Asia/Tokyo")
    sign_in(ann).get(reverse("accounts:page"))
    other = sign_in(make_user("bea"))
    assert "Asia/Tokyo" not in other.get(reverse("accounts:log")).text


def test_the_zone_is_used_under_asgi_too(ann):
    User.objects.update(time_zone="Asia/Tokyo")
    client = AsyncClient()
    client.force_login(ann)
    # In this thread, so that the request sees the rows of this test.
    answer = async_to_sync(client.get)(reverse("accounts:log"))
    assert b"Asia/Tokyo" in answer.content


def test_no_profile_is_saved_by_get(ann):
    assert sign_in(ann).get(reverse("accounts:profile")).status_code == 405


def test_a_zone_that_no_machine_knows_any_more_is_told_as_utc(ann):
    User.objects.update(time_zone="Gone/Away")
    assert sign_in(ann).get(reverse("accounts:log")).status_code == 200
