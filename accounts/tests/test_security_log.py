"""The security log: what is written, that nobody rewrites it, and how it is read."""

import pytest
from allauth.account.models import EmailAddress
from django.db import DatabaseError, connection, transaction
from django.urls import reverse

from accounts.constants import EVENT_WORDS, EventKind
from accounts.models import ApiToken, SecurityEvent, User
from accounts.services import security_log
from accounts.tests.people import (
    CHECKSUMMED,
    FIREFOX,
    PASSWORD,
    make_user,
    make_wallet,
    prove,
    sign_in,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann():
    return make_user("ann")


def kinds(user) -> list[str]:
    return list(
        SecurityEvent.objects.filter(user=user).order_by("id").values_list("kind", flat=True)
    )


def refused(change) -> bool:
    try:
        with transaction.atomic():
            change()
            connection.check_constraints()
    except DatabaseError as problem:
        return "append-only" in str(problem)
    return False


def test_every_kind_has_words():
    assert set(EVENT_WORDS) == set(EventKind)


def test_a_sign_in_is_written_with_how_and_from_where(ann):
    sign_in(ann)
    event = SecurityEvent.objects.get()
    assert (event.kind, event.detail) == ("signed_in", "password")
    assert (event.ip, event.agent) == ("127.0.0.1", FIREFOX)


@pytest.mark.parametrize("login", ["ann", "ann@example.com", "ANN@example.com"])
def test_a_failed_sign_in_is_written_on_the_account_that_was_tried(ann, client, login):
    client.post(reverse("account_login"), {"login": login, "password": "wrong"})
    assert kinds(ann) == ["sign_in_failed"]


def test_a_failed_sign_in_of_nobody_is_written_nowhere(ann, client):
    client.post(reverse("account_login"), {"login": "nobody", "password": "wrong"})
    assert not SecurityEvent.objects.exists()


def test_the_password_is_not_in_the_log(ann, client):
    client.post(reverse("account_login"), {"login": "ann", "password": "hunter22"})
    assert "hunter22" not in str(SecurityEvent.objects.values())


def test_signing_up_and_out_are_written(client):
    form = {"email": "new@example.com", "password1": PASSWORD, "password2": PASSWORD}
    client.post(reverse("account_signup"), form)
    assert kinds(User.objects.get()) == ["account_created"]
    ann = make_user("ann")
    sign_in(ann).post(reverse("account_logout"))
    assert kinds(ann)[-1] == "signed_out"


def test_a_new_password_is_written(ann):
    client = sign_in(ann)
    prove(client)
    form = {"oldpassword": PASSWORD, "password1": "another long phrase"}
    client.post(reverse("account_change_password"), {**form, "password2": form["password1"]})
    assert "password_changed" in kinds(ann)


def test_changes_of_addresses_are_written(ann):
    client = sign_in(ann)
    prove(client)
    page, new = reverse("account_email"), "second@example.com"
    client.post(page, {"email": new, "action_add": ""})
    EmailAddress.objects.filter(email=new).update(verified=True)
    client.post(page, {"email": new, "action_primary": ""})
    client.post(page, {"email": ann.email, "action_remove": ""})
    assert kinds(ann)[1:] == ["email_added", "email_changed", "email_removed"]


def test_wallets_and_tokens_are_written(ann):
    wallet = make_wallet(ann)
    token = ApiToken.objects.create(
        user=ann, name="bot", prefix="qs_1", digest="d", scopes=["read"]
    )
    token.delete()
    wallet.delete()
    assert kinds(ann) == ["wallet_linked", "token_created", "token_revoked", "wallet_removed"]
    assert SecurityEvent.objects.latest("id").detail == CHECKSUMMED


def test_what_is_undone_is_not_in_the_log(ann):
    with transaction.atomic():
        make_wallet(ann)
        transaction.set_rollback(True)
    assert kinds(ann) == []


def test_a_page_that_fails_undoes_its_change_with_its_line(ann, monkeypatch):
    client = sign_in(ann)
    prove(client)
    client.raise_request_exception = False
    monkeypatch.setattr(SecurityEvent.objects, "create", lambda **fields: 1 / 0)
    form = {"oldpassword": PASSWORD, "password1": "another long phrase"}
    answer = client.post(
        reverse("account_change_password"), {**form, "password2": form["password1"]}
    )
    assert answer.status_code == 500
    ann.refresh_from_db()
    assert ann.check_password(PASSWORD)


def test_no_line_is_rewritten(ann):
    security_log.record(user_id=ann.pk, kind=EventKind.SIGNED_IN)
    assert refused(lambda: SecurityEvent.objects.update(kind="signed_out"))
    assert refused(lambda: SecurityEvent.objects.update(ip="10.0.0.1"))


def test_no_line_is_deleted_while_its_user_exists(ann):
    security_log.record(user_id=ann.pk, kind=EventKind.SIGNED_IN)
    assert refused(lambda: SecurityEvent.objects.all().delete())
    assert kinds(ann) == ["signed_in"]


def test_lines_may_be_blotted_out(ann):
    sign_in(ann)
    SecurityEvent.objects.update(ip=None, agent="", detail="")
    assert SecurityEvent.objects.get().agent == ""


def test_endless_words_of_a_browser_are_cut(ann):
    sign_in(ann, agent="x" * 5000)
    assert len(SecurityEvent.objects.get().agent) == 200


def test_the_log_is_read_page_by_page_without_gap_or_repeat(ann, monkeypatch):
    monkeypatch.setattr("accounts.views.LOG_PAGE", 4)
    client = sign_in(ann)
    for _ in range(10):
        security_log.record(user_id=ann.pk, kind=EventKind.DATA_EXPORTED)
    seen, before = [], ""
    while True:
        log = client.get(reverse("accounts:log"), {"before": before}).context["log"]
        seen += [event.pk for event in log.events]
        if log.older is None:
            break
        before = log.older
    assert seen == list(SecurityEvent.objects.order_by("-id").values_list("id", flat=True))


@pytest.mark.parametrize(
    "before", ["x", "-1", "1e9", "9" * 19, "0" * 5000, "\N{ARABIC-INDIC DIGIT ONE}"]
)
def test_a_place_in_the_log_that_cannot_be_is_not_found(ann, before):
    assert sign_in(ann).get(reverse("accounts:log"), {"before": before}).status_code == 404


def test_a_long_log_takes_a_few_queries(ann, django_assert_max_num_queries):
    client = sign_in(ann)
    for _ in range(60):
        security_log.record(user_id=ann.pk, kind=EventKind.SIGNED_IN)
    client.get(reverse("accounts:log"))
    with django_assert_max_num_queries(4):
        client.get(reverse("accounts:log"))


def test_the_log_of_somebody_else_is_not_shown(ann):
    security_log.record(user_id=ann.pk, kind=EventKind.SIGNED_IN, detail="only ann")
    assert "only ann" not in sign_in(make_user("bea")).get(reverse("accounts:log")).text
