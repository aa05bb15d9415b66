"""Sessions: what is shown of them, and that ending one ends it."""

from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from accounts.models import SecurityEvent
from accounts.services import devices
from accounts.tests.people import FIREFOX, PASSWORD, SAFARI, make_user, prove, sign_in

pytestmark = pytest.mark.django_db(transaction=True)
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36"


@pytest.fixture
def ann():
    return make_user("ann")


def inside(client):
    return client.get(reverse("accounts:page")).status_code == 200


def of(client):
    return UserSession.objects.get(session_key=client.session.session_key)


def end(client, other):
    return client.post(reverse("accounts:session-end", args=[of(other).pk]))


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (FIREFOX, "Firefox on Windows"),
        (SAFARI, "Safari on iPhone"),
        (CHROME, "Chrome on Linux"),
        (CHROME + " Edg/140.0", "Edge on Linux"),
        ("curl/8.5.0", "curl"),
        ("", "Unknown device"),
        ("<script>", "Unknown device"),
    ],
)
def test_a_device_in_words(agent, words):
    assert devices.device(agent) == words


def test_sessions_are_listed_with_this_one_first(ann):
    here = sign_in(ann, agent=FIREFOX)
    sign_in(ann, agent=SAFARI)
    found = here.get(reverse("accounts:page")).context["sessions"]
    assert [(s.device, s.current) for s in found] == [
        ("Firefox on Windows", True),
        ("Safari on iPhone", False),
    ]


def test_an_ended_session_is_out_at_the_next_request(ann):
    here, there = sign_in(ann), sign_in(ann)
    assert inside(there)
    key = there.session.session_key
    end(here, there)
    assert not inside(there)
    assert inside(here)
    assert not Session.objects.filter(session_key=key).exists()
    assert cache.get(f"django.contrib.sessions.cached_db{key}") is None


def test_a_request_in_between_does_not_bring_an_ended_session_back(ann):
    there = sign_in(ann)
    copy, key = dict(there.session.items()), there.session.session_key
    with transaction.atomic():
        devices.end(ann, session_id=of(there).pk)
        # As another process does, which still sees the row.
        cache.set(f"django.contrib.sessions.cached_db{key}", copy, 60)
    assert not inside(there)


def test_all_others_end_at_once_and_this_one_stays(ann):
    here, others = sign_in(ann), [sign_in(ann) for _ in range(3)]
    here.post(reverse("accounts:sessions-end-others"))
    assert [inside(other) for other in others] == [False] * 3
    assert inside(here)


def test_ending_is_written_into_the_log(ann):
    here, there = sign_in(ann), sign_in(ann, agent=SAFARI)
    end(here, there)
    newest = SecurityEvent.objects.latest("id")
    assert (newest.kind, newest.detail) == ("session_ended", "Safari on iPhone, 127.0.0.1")


def test_the_session_of_somebody_else_is_not_there(ann):
    bea = sign_in(make_user("bea"))
    assert end(sign_in(ann), bea).status_code == 404
    assert inside(bea)


@pytest.mark.parametrize("number", [0, 2**63, 10**30])
def test_a_session_that_never_was_is_not_there(ann, number):
    address = reverse("accounts:session-end", args=[number])
    assert sign_in(ann).post(address).status_code == 404


def test_ending_needs_a_post(ann):
    here, there = sign_in(ann), sign_in(ann)
    assert here.get(reverse("accounts:session-end", args=[of(there).pk])).status_code == 405
    assert inside(there)


def test_a_new_password_signs_out_everywhere_else(ann):
    here, there = sign_in(ann), sign_in(ann)
    prove(here)
    form = {"oldpassword": PASSWORD, "password1": "another long phrase"}
    here.post(reverse("account_change_password"), {**form, "password2": form["password1"]})
    assert not inside(there)
    assert len(here.get(reverse("accounts:page")).context["sessions"]) == 1


def test_last_seen_moves_with_use_at_most_once_a_minute(ann):
    client = sign_in(ann)
    inside(client)
    UserSession.objects.update(last_seen_at=timezone.now() - timedelta(hours=1))
    inside(client)
    assert timezone.now() - of(client).last_seen_at > timedelta(minutes=59)
    cache.delete(f"seen:{client.session.session_key}")
    inside(client)
    assert timezone.now() - of(client).last_seen_at < timedelta(minutes=1)


def test_an_expired_session_is_not_listed(ann):
    here, there = sign_in(ann), sign_in(ann)
    Session.objects.filter(session_key=there.session.session_key).update(
        expire_date=timezone.now() - timedelta(seconds=1)
    )
    assert len(here.get(reverse("accounts:page")).context["sessions"]) == 1


def test_a_session_from_before_sessions_were_listed_appears(ann, client):
    client.force_login(ann)
    found = client.get(reverse("accounts:page")).context["sessions"]
    assert [session.current for session in found] == [True]


def test_ending_by_the_api_for_programs_is_written_too(ann):
    here, there = sign_in(ann), sign_in(ann, agent=SAFARI)
    form = {"sessions": [of(there).pk]}
    address = reverse("headless:browser:usersessions:sessions")
    assert here.delete(address, form, content_type="application/json").status_code == 200
    assert not inside(there)
    assert SecurityEvent.objects.latest("id").detail == "Safari on iPhone, 127.0.0.1"
