"""``POST /api/v1/events``: who may, what is refused and how it is told, what is counted."""

from __future__ import annotations

import gzip
import json
import random
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Scope, User
from accounts.services import tokens
from foundation.errors import InvalidInput, TooLarge
from orgs.constants import ACCEPTED_DAYS, MAX_ACTIONS, MAX_BODY, MAX_MAIL_EVENTS
from orgs.models import (
    Event,
    KeyScope,
    MailDomain,
    MailEvent,
    Membership,
    OrgDay,
    OrgRole,
    OrgUserDay,
    Stat,
    UserDay,
)
from orgs.services import ids, keys
from orgs.services.inflating import MAX_MEMBERS, PIECE, inflate
from orgs.tests.events import action, an_organisation, mail, moment

pytestmark = pytest.mark.django_db
URL = "/api/v1/events"
JSON, NDJSON = "application/json", "application/x-ndjson"


@pytest.fixture
def sender():
    """An organisation, and what posts in its name."""
    org, secret = an_organisation()

    def post(body, content_type=JSON, **headers):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        client = Client(headers={"Authorization": f"Bearer {secret}"})
        return client.post(URL, raw, content_type=content_type, headers=headers)

    post.org = org  # type: ignore[attr-defined]
    return post


def counted():
    return {row.domain: (row.delivered, row.bounced) for row in MailDomain.objects.all()}


def nothing_is_stored():
    tables = (Event, MailEvent, MailDomain, OrgUserDay, UserDay, OrgDay, Stat)
    return not any(table.objects.exists() for table in tables)


def refused(answer):
    error = answer.json()["error"]
    return answer.status_code, error["code"], error.get("fields", {})


def test_both_kinds_of_events_are_counted_in_one_call(sender):
    org = sender.org.pk
    answer = sender(
        [
            mail("a.example"),
            mail("A.EXAMPLE.", "bounced"),
            action(org, user=1),
            action(org, user=1),
            action(org, user=2),
        ]
    )
    assert (answer.status_code, answer.json()) == (202, {"accepted": 5, "duplicates": 0})
    assert counted() == {"a.example": (1, 1)}
    assert Stat.objects.get(org_id=org).actions == 3
    day = OrgDay.objects.get(org_id=org)
    assert (day.actions, day.dau) == (3, 2)
    assert UserDay.objects.count() == OrgUserDay.objects.count() == 2
    assert Event.objects.filter(name="quote.viewed").count() == 3


def test_a_repeat_counts_nothing_and_is_accepted(sender):
    events = [mail(), action(sender.org.pk)]
    sender(events)
    answer = sender([*events, mail()])
    assert answer.json() == {"accepted": 1, "duplicates": 2}
    assert counted() == {"example.com": (2, 0)}
    assert OrgDay.objects.get().actions == Stat.objects.get().actions == 1


def test_the_same_event_twice_in_one_call_counts_once(sender):
    event = mail()
    assert sender([event, event]).json() == {"accepted": 1, "duplicates": 1}
    assert counted() == {"example.com": (1, 0)}


def test_nothing_at_all_is_accepted(sender):
    assert sender([]).json() == {"accepted": 0, "duplicates": 0}


def test_lines_of_json_and_packed_bodies_are_taken(sender):
    lines = b"\n".join(json.dumps(mail()).encode() for _ in range(3)) + b"\r\n\n"
    assert sender(lines, NDJSON).json()["accepted"] == 3
    packed = gzip.compress(json.dumps([mail()]).encode())
    answer = sender(packed, **{"Content-Encoding": "gzip"})
    assert answer.json()["accepted"] == 1
    both = gzip.compress(json.dumps(mail()).encode() + b"\n") + gzip.compress(
        json.dumps(mail()).encode()
    )
    assert sender(both, NDJSON, **{"Content-Encoding": "gzip"}).json()["accepted"] == 2
    assert counted() == {"example.com": (6, 0)}


def test_late_events_count_on_their_own_day(sender):
    late = timezone.now().astimezone(UTC) - timedelta(days=ACCEPTED_DAYS)
    org = sender.org.pk
    sender([action(org, ts=late.isoformat()), action(org)])
    assert list(OrgDay.objects.order_by("day").values_list("day", "actions", "dau")) == [
        (late.date(), 1, 1),
        (timezone.now().astimezone(UTC).date(), 1, 1),
    ]


def test_a_late_event_leaves_the_newest_activity_alone(sender):
    org, newest = sender.org.pk, datetime.now(tz=UTC)
    sender([action(org, ts=newest.isoformat())])
    sender([action(org, ts=moment(days=2))])
    assert Stat.objects.get() == Stat(org_id=org)
    assert Stat.objects.get().actions == 2
    assert Stat.objects.get().last_active_at == newest


def test_times_with_other_offsets_count_on_the_day_in_utc(sender):
    day = timezone.now().astimezone(UTC).date() - timedelta(days=2)
    sender(
        [
            action(sender.org.pk, ts=f"{day}T23:30:00-01:00"),
            action(sender.org.pk, ts=f"{day}T00:30:00+14:00"),
            action(sender.org.pk, ts=f"{day}T12:00:00.123456789Z"),
        ]
    )
    days = list(OrgDay.objects.order_by("day").values_list("day", flat=True))
    assert days == [day - timedelta(days=1), day, day + timedelta(days=1)]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"ts": None}, "ts"),
        ({"ts": 1_700_000_000}, "ts"),
        ({"ts": "yesterday"}, "ts"),
        ({"ts": "2026-02-30T00:00:00Z"}, "ts"),
        ({"ts": "2026-01-01T00:00:00"}, "ts"),
        ({"ts": "2026-01-01T25:00:00Z"}, "ts"),
        ({"ts": "0001-01-01T00:00:00+14:00"}, "ts"),
        ({"ts": "9999-12-31T23:59:59-14:00"}, "ts"),
        ({"ts": "2026-W01-1T00:00:00Z"}, "ts"),
        ({"ts": moment(days=ACCEPTED_DAYS + 1)}, "ts"),
        ({"ts": moment(minutes=-60)}, "ts"),
        ({"event_id": None}, "event_id"),
        ({"event_id": 7}, "event_id"),
        ({"event_id": "7f0a4b1e-6a51-4c0a-9a4e-0123456789ab"}, "event_id"),
        ({"kind": "opened"}, "kind"),
        ({"kind": ["delivered"]}, "kind"),
        ({"kind": None}, "kind"),
        ({"domain": "a..b"}, "domain"),
        ({"domain": "\x00"}, "domain"),
        ({"domain": 5}, "domain"),
    ],
)
def test_one_bad_event_refuses_the_call_and_is_named(sender, change, field):
    events = [mail(), mail(), mail(**change), action(sender.org.pk)]
    status, code, fields = refused(sender(events))
    assert (status, code, list(fields)) == (422, "unprocessable", [f"2.{field}"])
    assert nothing_is_stored()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"user": None}, "user"),
        ({"user": True}, "user"),
        ({"user": 0}, "user"),
        ({"user": 1.5}, "user"),
        ({"user": "7"}, "user"),
        ({"user": 2**63}, "user"),
        ({"org": "acme"}, "org"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": None}, "name"),
    ],
)
def test_a_bad_action_is_named(sender, change, field):
    event = action(sender.org.pk) | change
    status, _, fields = refused(sender([mail(), event]))
    assert (status, list(fields)) == (422, [f"1.{field}"])
    assert nothing_is_stored()


@pytest.mark.parametrize("item", [None, 5, "x", [], [1]])
def test_an_item_that_is_no_object_is_named(sender, item):
    assert refused(sender([item]))[::2] == (422, {"0.event": ["Not a JSON object."]})


def test_an_action_need_not_be_named(sender):
    event = action(sender.org.pk)
    del event["name"]
    assert sender([event]).json()["accepted"] == 1


def test_the_first_hundred_faults_are_told(sender):
    status, _, fields = refused(sender([mail("a..b")] * 150))
    assert (status, len(fields)) == (422, 100)


def test_another_organisations_events_are_refused_like_unknown_ones(sender):
    other, _ = an_organisation("Other")
    mine = action(sender.org.pk)
    for foreign in (other.pk, 10**12):
        status, code, fields = refused(sender([mine, action(foreign)]))
        assert (status, code) == (403, "foreign_organisation")
        assert fields == {"1.org": ["You do not send for this organisation."]}
    assert nothing_is_stored()


@pytest.mark.parametrize(
    ("body", "content_type", "place"),
    [
        (b'[{"a": 1},\n {]', JSON, "line 2, column 3"),
        (b" ", JSON, "line 1, column 2"),
        (b'{"kind": "delivered"}', JSON, "not a JSON array"),
        (b"{}\n{]\n", NDJSON, "line 2, column 2"),
        (b'["\xff"]', JSON, "UTF-8"),
        (b"[" * 100_000, JSON, "too deep"),
        (b"[" + b"1" * 5000 + b"]", JSON, "too long a number"),
    ],
)
def test_broken_json_is_told_where(sender, body, content_type, place):
    answer = sender(body, content_type)
    assert refused(answer)[:2] == (400, "malformed_request")
    assert place in answer.json()["error"]["message"]


def test_more_than_the_caps_is_refused(sender):
    assert refused(sender([mail()] * (MAX_MAIL_EVENTS + 1)))[:2] == (413, "too_many_events")
    org = sender.org.pk
    assert refused(sender([action(org)] * (MAX_ACTIONS + 1)))[:2] == (413, "too_many_events")
    assert nothing_is_stored()


def test_a_long_body_is_refused(sender):
    assert refused(sender(b"[" + b" " * MAX_BODY + b"]", NDJSON))[:2] == (413, "too_large")


def test_a_bomb_is_stopped_while_it_is_read(sender):
    bomb = gzip.compress(gzip.compress(b"[" + b" " * 200_000_000, 9), 9)
    inner = gzip.decompress(bomb)
    answer = sender(inner, **{"Content-Encoding": "gzip"})
    assert refused(answer)[:2] == (413, "too_large")


def test_a_body_of_very_many_small_members_is_refused(sender):
    many = gzip.compress(b"") * 1000
    answer = sender(many, **{"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "malformed_request")
    few = gzip.compress(json.dumps([mail()]).encode()) + gzip.compress(b"") * (MAX_MEMBERS - 1)
    assert sender(few, **{"Content-Encoding": "gzip"}).json()["accepted"] == 1


def test_a_body_is_inflated_the_same_wherever_its_pieces_end():
    text = random.Random(1).randbytes(3 * PIECE)
    packed = gzip.compress(text[:PIECE]) + gzip.compress(text[PIECE:])
    assert inflate(packed, limit=len(text)) == text
    with pytest.raises(TooLarge):
        inflate(packed, limit=len(text) - 1)
    with pytest.raises(InvalidInput):
        inflate(packed[:-1], limit=len(text))


@pytest.mark.parametrize("body", [b"plain", gzip.compress(b"[]", mtime=0)[:-4], b"\x1f\x8b"])
def test_broken_gzip_is_refused(sender, body):
    answer = sender(body, **{"Content-Encoding": "gzip"})
    assert refused(answer)[:2] == (400, "malformed_request")


def test_other_forms_are_refused(sender):
    assert sender(b"[]", "text/plain").status_code == 415
    assert sender(b"[]", **{"Content-Encoding": "br"}).status_code == 415


def test_the_largest_call_passes(sender):
    events = [mail(f"domain-{number}.example") for number in range(MAX_MAIL_EVENTS)]
    packed = gzip.compress(json.dumps(events).encode())
    assert sender(packed, **{"Content-Encoding": "gzip"}).json()["accepted"] == MAX_MAIL_EVENTS
    assert MailDomain.objects.count() == MAX_MAIL_EVENTS


def test_a_plain_array_may_be_longer_than_a_form(sender):
    events = [mail(f"domain-{number}.example", note="x" * 150) for number in range(5_000)]
    assert sender(events).json()["accepted"] == 5_000


def test_nobody_sends_without_a_credential(client):
    answer = client.post(URL, "[]", content_type=JSON)
    assert refused(answer)[:2] == (401, "not_authenticated")
    assert answer["WWW-Authenticate"].startswith("Bearer")
    client.force_login(User.objects.create_user("customer"))
    assert client.post(URL, "[]", content_type=JSON).status_code == 401


def test_a_key_that_is_not_known_is_refused(client):
    bad = {"Authorization": "Bearer qo_" + "x" * 43}
    answer = client.post(URL, "[]", content_type=JSON, headers=bad)
    assert refused(answer)[:2] == (401, "invalid_token")


def test_a_key_without_the_scope_is_refused(client):
    _, secret = an_organisation("Reader", scopes=[KeyScope.METRICS])
    header = {"Authorization": f"Bearer {secret}"}
    answer = client.post(URL, "[]", content_type=JSON, headers=header)
    assert refused(answer)[:2] == (403, "insufficient_scope")


def test_a_revoked_key_sends_no_more(client):
    org, secret = an_organisation()
    owner = User.objects.get(memberships__org=org)
    keys.revoke(org=org, by=owner, key_id=org.api_keys.get().pk)
    header = {"Authorization": f"Bearer {secret}"}
    assert client.post(URL, "[]", content_type=JSON, headers=header).status_code == 401


def test_a_users_token_sends_for_the_organisations_that_its_user_manages(client):
    org, _ = an_organisation()
    user = User.objects.create_user("member")
    _, secret = tokens.create(user=user, name="t", scopes=[Scope.EVENTS], expires_at=None)
    header = {"Authorization": f"Bearer {secret}"}
    body = json.dumps([action(org.pk)])
    assert client.post(URL, body, content_type=JSON, headers=header).status_code == 403
    # An action names any person, so it is not for members to send.
    membership = Membership.objects.create(org=org, user=user, role=OrgRole.MEMBER)
    assert client.post(URL, body, content_type=JSON, headers=header).status_code == 403
    membership.role = OrgRole.MANAGER
    membership.save()
    assert client.post(URL, body, content_type=JSON, headers=header).status_code == 202
    _, reader = tokens.create(user=user, name="r", scopes=[Scope.READ], expires_at=None)
    header = {"Authorization": f"Bearer {reader}"}
    assert client.post(URL, body, content_type=JSON, headers=header).status_code == 403


def test_ids_tell_when_they_were_made():
    assert ids.moment_of(ids.new_id(1_767_225_600.123)) == datetime(
        2026, 1, 1, 0, 0, 0, 123_000, tzinfo=UTC
    )
    assert ids.is_id(ids.new_id())
