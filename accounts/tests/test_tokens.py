"""API tokens: what makes one, what ends it, what is remembered of it."""

import re
import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts import signals
from accounts.models import ApiToken, Scope, User
from accounts.services import roles, tokens
from accounts.services.roles import Role
from foundation.errors import Conflict, Forbidden, InvalidInput, NotFound, Unauthenticated

pytestmark = pytest.mark.django_db


@pytest.fixture
def user():
    return User.objects.create_user("customer")


@pytest.fixture
def operator():
    user = User.objects.create_user("operator")
    roles.join(user, Role.OPERATOR)
    return user


def make(user, *scopes, **more):
    expires_at = timezone.now() + timedelta(days=1)
    given = {"name": "script", "scopes": scopes or [Scope.READ], "expires_at": expires_at}
    return tokens.create(user=user, **given | more)


def test_the_secret_has_256_random_bits_and_is_not_stored(user):
    token, secret = make(user)
    assert re.fullmatch(r"qs_[A-Za-z0-9_-]{43}", secret)
    assert secret not in str(list(ApiToken.objects.values()))
    assert (token.digest, token.prefix) == (tokens.digest(secret), secret[:11])


def test_two_tokens_differ(user):
    assert make(user)[1] != make(user)[1]


@pytest.mark.parametrize("name", ["", "  ", "a" * 51, "line\nbreak", "\u202eevil"])
def test_a_name_is_short_and_printable(user, name):
    with pytest.raises(InvalidInput) as refused:
        make(user, name=name)
    assert "name" in refused.value.fields
    assert not ApiToken.objects.exists()


def test_a_token_without_a_scope_or_with_an_end_in_the_past_is_refused(user):
    with pytest.raises(InvalidInput):
        make(user, scopes=[])
    with pytest.raises(InvalidInput):
        make(user, expires_at=timezone.now())
    assert not ApiToken.objects.exists()


def test_only_operators_make_tokens_for_operators(user, operator):
    with pytest.raises(Forbidden) as refused:
        make(user, Scope.OPERATOR)
    assert refused.value.code == "scope_not_allowed"
    assert make(operator, Scope.OPERATOR)[0].scopes == ["operator"]


def test_a_user_has_at_most_twenty(user):
    for _ in range(tokens.MAX_TOKENS):
        make(user)
    with pytest.raises(Conflict) as refused:
        make(user)
    assert refused.value.code == "too_many_tokens"


@pytest.mark.django_db(transaction=True)
def test_many_requests_at_once_make_no_more_than_twenty():
    user = User.objects.create_user("customer")
    outcomes = []

    def attempt():
        try:
            outcomes.append(bool(make(user)))
        except Conflict:
            outcomes.append(False)
        finally:
            connection.close()

    threads = [threading.Thread(target=attempt) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (sum(outcomes), ApiToken.objects.count()) == (20, 20)


def test_a_token_without_an_end_goes_on(user):
    secret = make(user, expires_at=None)[1]
    assert tokens.authenticate(secret).user == user


def test_nobody_revokes_somebody_elses_token(user, operator):
    token, _ = make(user)
    with pytest.raises(NotFound):
        tokens.revoke(user=operator, token_id=token.pk)
    assert ApiToken.objects.exists()


def test_use_is_noted_at_most_once_a_minute(user, django_assert_num_queries):
    secret = make(user)[1]
    tokens.note_use(tokens.authenticate(secret))
    first = ApiToken.objects.get().last_used_at
    assert first
    used = tokens.authenticate(secret)
    with django_assert_num_queries(0):
        tokens.note_use(used)
    ApiToken.objects.update(last_used_at=first - timedelta(minutes=1))
    tokens.note_use(tokens.authenticate(secret))
    again = ApiToken.objects.get().last_used_at
    assert again
    assert again > first


@pytest.mark.django_db(transaction=True)
def test_noting_the_use_waits_for_nobody():
    _, secret = make(User.objects.create_user("customer"))
    noted = threading.Event()

    def use():
        tokens.note_use(tokens.authenticate(secret))
        connection.close()
        noted.set()

    with transaction.atomic():
        ApiToken.objects.select_for_update().get()
        thread = threading.Thread(target=use)
        thread.start()
        assert noted.wait(10), "it waits for the row"
    thread.join(10)
    assert ApiToken.objects.get().last_used_at is None


def test_making_and_revoking_are_announced_after_commit(user, django_capture_on_commit_callbacks):
    heard = []

    def hear(**news):
        heard.append((news["signal"], news["user_id"], news["token_id"], news["name"]))

    for signal in (signals.token_created, signals.token_revoked):
        signal.connect(hear)
    with django_capture_on_commit_callbacks(execute=True):
        token, _ = make(user)
        tokens.revoke(user=user, token_id=token.pk)
        assert heard == []
    facts = (user.pk, token.pk, "script")
    assert heard == [(signals.token_created, *facts), (signals.token_revoked, *facts)]


def test_an_unknown_token_is_told_from_a_malformed_one_by_nothing():
    with pytest.raises(Unauthenticated) as unknown:
        tokens.authenticate("qs_" + "a" * 43)
    with pytest.raises(Unauthenticated) as malformed:
        tokens.authenticate("anything")
    assert unknown.value.envelope() == malformed.value.envelope()
