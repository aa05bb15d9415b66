"""What is kept about people and for how long: written down for every table, given out, ended."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from django.utils import timezone

from accounts.models import Scope, SecurityEvent, User
from accounts.services import deletion, roles, tokens
from accounts.services.export import export
from accounts.services.roles import Role
from accounts.tests.people import CHECKSUMMED, make_user, make_wallet, sign_in
from balances.models import TokenPreference
from balances.services import watches
from balances.tests import ledger
from config.celery import app
from orgs.models import Invitation, KeyScope, Membership, OrgRole
from orgs.services import invitations, keys
from orgs.tests.companies import make_org
from rates.coins.services import webhooks
from rates.models import Webhook
from rates.tests.desk import make_house_default

DATA = (settings.BASE_DIR / "docs" / "data.md").read_text()
TABLES, PERSONS = DATA.split("## Persons")
# Days, months and numbered copies are parts of the table that is named.
PART = re.compile(r"_(\d{6,8}|g?\d+)(_\d+)?$")
AGENT = "Telltale/1.0 (Windows NT 10.0) Firefox/140.0"


def first_cells(text):
    lines = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return [name for line in lines for name in re.findall(r"`([^`]+)`", line)]


@pytest.mark.django_db
def test_every_table_has_a_line_and_every_line_its_table():
    with connection.cursor() as cursor:
        found = {PART.sub("", name) for name in connection.introspection.table_names(cursor)}
    named = first_cells(TABLES)
    assert sorted(named) == sorted(set(named))
    assert set(named) == found


def test_what_ends_a_row_exists():
    app.autodiscover_tasks(force=True)
    last = [line.split("|")[4] for line in TABLES.splitlines() if line.startswith("| `")]
    ended = {name for line in last for name in re.findall(r"`([a-z_.]+)`", line)}
    assert ended <= {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    named = {name for name in re.findall(r"`([A-Z_]+)`", TABLES) if name != "CONCURRENTLY"}
    assert all(hasattr(settings, name) for name in named)


def test_every_column_that_leads_to_a_person_is_accounted_for():
    columns = {
        f"{model._meta.db_table}.{field.name}"
        for model in apps.get_models(include_auto_created=True)
        for field in model._meta.get_fields()
        if field.concrete and field.is_relation and field.related_model is User
    }
    assert set(first_cells(PERSONS)) == columns


@pytest.fixture
def ann():
    """Somebody who has left traces in every part of the desk."""
    bea, user = make_user("bea-the-owner"), make_user("ann-the-person")
    User.objects.filter(pk=user.pk).update(display_name="Ann Telltale")
    make_wallet(user)
    sign_in(user, agent=AGENT)
    tokens.create(user=user, name="telltale bot", scopes=[Scope.READ], expires_at=None)
    org = make_org("Quay Union", owner=bea)
    Membership.objects.create(org=org, user=user, role=OrgRole.MANAGER)
    keys.create(org=org, by=user, name="sender", scopes=[KeyScope.EVENTS])
    for accepted in (None, timezone.now()):
        Invitation.objects.create(
            org=org,
            role=OrgRole.MEMBER,
            email="Ann-The-Person@example.com",
            digest=f"{accepted}",
            created_by=bea,
            expires_at=timezone.now() + timedelta(days=1),
            accepted_at=accepted,
            accepted_by=user if accepted else None,
        )
    chain = ledger.make_chain()
    watches.add(user, ledger.text(7), label="telltale till")
    TokenPreference.objects.create(owner=user, token=ledger.native(chain), shown=False)
    Webhook.objects.create(owner=user, url="https://telltale.example/hook", key="price", secret="s")
    LogEntry.objects.create(
        user=bea,
        action_flag=CHANGE,
        content_type=ContentType.objects.get_for_model(User),
        object_id=str(user.pk),
        object_repr="ann-the-person",
    )
    return user


TRACES = ["ann-the-person", "telltale", CHECKSUMMED, "127.0.0.1"]


def rows_that_name(trace):
    """Table and row of everything in the database that holds the text, however spelled."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(
                f'SELECT t::text FROM "{table}" t WHERE t::text ILIKE %s',  # noqa: S608
                [f"%{trace}%"],
            )
            yield from ((table, row) for (row,) in cursor.fetchall())


@pytest.mark.django_db(transaction=True)
def test_the_file_holds_every_section_that_is_promised(ann):
    tree = json.loads(json.dumps(export(ann), cls=DjangoJSONEncoder))
    promised = re.findall(r"^\| `[^`]+` \| `([a-z_]+)`", PERSONS, re.MULTILINE)
    assert {name for name in promised if not tree.get(name)} == {"second_factors"}
    assert tree["organisations"][0]["organisation"] == "Quay Union"
    assert tree["organisation_keys"][0]["name"] == "sender"
    assert tree["token_preferences"] == [{"chain_id": 31337, "contract": None, "shown": False}]
    assert "bea-the-owner" not in json.dumps(tree)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kept", [False, True], ids=["deleted", "anonymised"])
def test_nothing_names_somebody_whose_account_is_closed(ann, kept):
    if kept:
        roles.join(ann, Role.OPERATOR)
        make_house_default(by=User.objects.get(pk=ann.pk))
    assert all(list(rows_that_name(trace)) for trace in TRACES)
    outcome = deletion.close(ann)
    assert outcome is (deletion.Outcome.ANONYMISED if kept else deletion.Outcome.DELETED)
    assert [row for trace in TRACES for row in rows_that_name(trace)] == []


@pytest.mark.django_db(transaction=True)
def test_an_open_invitation_of_theirs_is_withdrawn_and_an_accepted_one_stays_without_a_name(ann):
    deletion.close(ann)
    assert [row.email for row in Invitation.objects.exclude(accepted_at=None)] == [""]
    assert not Invitation.objects.filter(accepted_at=None).exists()


@pytest.mark.django_db
def test_ended_invitations_are_forgotten_after_a_month():
    org = make_org()
    now = timezone.now()
    for days in (29, 31):
        Invitation.objects.create(
            org=org, role=OrgRole.MEMBER, digest=str(days), expires_at=now - timedelta(days=days)
        )
    assert invitations.forget_ended(now) == 1
    assert Invitation.objects.get().digest == "29"


@pytest.mark.django_db(transaction=True)
def test_nobody_elses_traces_go_with_them(ann):
    bea = User.objects.get(username="bea-the-owner")
    webhooks.make(user=bea, url="https://93.184.216.34/hook", on="price")
    before = len(list(rows_that_name("bea-the-owner")))
    deletion.close(ann)
    assert len(list(rows_that_name("bea-the-owner"))) == before
    assert Membership.objects.get().user == bea
    assert Webhook.objects.get().owner == bea
    assert not SecurityEvent.objects.exclude(user=bea).exists()
