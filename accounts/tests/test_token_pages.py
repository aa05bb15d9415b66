"""API tokens on the account page: made after a proof of presence, shown once, revoked."""

import re

import pytest
from allauth.socialaccount.models import SocialAccount
from django.urls import reverse

from accounts.models import ApiToken, Scope, User
from accounts.services import roles, tokens
from accounts.services.roles import Role

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery staple"
NEW = "/account/tokens/new"
FORM = {"name": "prices to the shop", "scopes": ["read"], "days": "90"}


@pytest.fixture
def user(client):
    user = User.objects.create_user("customer", password=PASSWORD)
    client.force_login(user)
    return user


@pytest.fixture
def proved(client, user):
    """Signed in, with a proof of presence that is seconds old."""
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    return user


def secret_in(page):
    found = re.search(r'id="secret"[^>]*>(qs_[\w-]{43})<', page.content.decode())
    assert found
    return found[1]


def test_a_token_is_shown_once_and_opens_the_api(client, proved):
    page = client.post(NEW, FORM)
    secret = secret_in(page)
    assert "no-store" in page["Cache-Control"]
    assert tokens.authenticate(secret).user == proved
    account = client.get(reverse("accounts:page")).content.decode()
    assert secret not in account
    assert secret[:11] in account


def test_without_a_recent_proof_nobody_makes_a_token(client, user):
    asked = client.post(NEW, FORM)
    assert asked["Location"].startswith(reverse("account_reauthenticate"))
    assert client.get(NEW).status_code == 302
    assert not ApiToken.objects.exists()


def test_after_the_proof_the_held_up_form_goes_on(client, user):
    asked = client.post(NEW, FORM)
    page = client.post(asked["Location"], {"password": PASSWORD})
    assert secret_in(page)


def test_a_user_with_a_wallet_only_is_asked_for_a_signature(client, user):
    user.set_unusable_password()
    user.save()
    data = {"address": "0x" + "a" * 40, "chain_id": 1, "kind": "eoa"}
    SocialAccount.objects.create(user=user, provider="ethereum", uid="x", extra_data=data)
    client.force_login(user)
    asked = client.post(NEW, FORM)
    assert asked["Location"].startswith(reverse("accounts:confirm"))
    assert not ApiToken.objects.exists()


def test_the_token_ends_after_the_days_chosen(client, proved):
    client.post(NEW, FORM)
    client.post(NEW, FORM | {"days": "0"})
    endless, ninety = ApiToken.objects.all()
    assert endless.expires_at is None
    assert ninety.expires_at
    assert (ninety.expires_at - ninety.created_at).days in (89, 90)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"name": name} for name in ("", "a" * 51, "\u202ex")),
        *({"scopes": scopes} for scopes in ([], ["root"], ["operator"], ["read", "operator"])),
        *({"days": days} for days in ("", "-1", "1e9", "91")),
    ],
)
def test_a_wrong_form_is_refused_and_nothing_is_made(client, proved, wrong):
    assert client.post(NEW, FORM | wrong).status_code == 400
    assert not ApiToken.objects.exists()


def test_operators_are_offered_the_operator_scope(client, proved):
    assert b'value="operator"' not in client.get(NEW).content
    roles.join(proved, Role.OPERATOR)
    assert b'value="operator"' in client.get(NEW).content


def test_the_twenty_first_is_refused_in_words(client, proved):
    for _ in range(tokens.MAX_TOKENS):
        tokens.create(user=proved, name="x", scopes=[Scope.READ], expires_at=None)
    page = client.post(NEW, FORM)
    assert (page.status_code, b"You have 20 tokens" in page.content) == (400, True)


def test_revoking_needs_no_proof_and_ends_it_at_once(client, user):
    token, _ = tokens.create(user=user, name="x", scopes=[Scope.READ], expires_at=None)
    url = reverse("accounts:token-revoke", args=[token.pk])
    assert client.get(url).status_code == 405
    assert client.post(url).status_code == 302
    assert not ApiToken.objects.exists()


def test_somebody_elses_token_is_not_there(client, user):
    other = User.objects.create_user("other")
    token, _ = tokens.create(user=other, name="x", scopes=[Scope.READ], expires_at=None)
    assert client.post(reverse("accounts:token-revoke", args=[token.pk])).status_code == 404
    assert ApiToken.objects.exists()


def test_no_token_manages_tokens(client, user):
    client.logout()
    token, secret = tokens.create(user=user, name="x", scopes=[Scope.READ], expires_at=None)
    headers = {"HTTP_AUTHORIZATION": f"Bearer {secret}"}
    for url in (NEW, reverse("accounts:token-revoke", args=[token.pk])):
        answer = client.post(url, FORM, **headers)
        assert answer["Location"].startswith(reverse("account_login"))
    assert ApiToken.objects.count() == 1


def test_a_name_is_text_and_never_markup(client, user):
    tokens.create(user=user, name="<b>x</b>", scopes=[Scope.READ], expires_at=None)
    assert b"<b>x</b>" not in client.get(reverse("accounts:page")).content
