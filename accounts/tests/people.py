"""Users as the tests of the account page need them."""

from __future__ import annotations

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.test import Client
from django.urls import reverse

from accounts.models import User

PASSWORD = "correct horse battery staple"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"
)
CHECKSUMMED = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


def make_user(name: str = "ann") -> User:
    """A user with a confirmed address and a password."""
    email = f"{name}@example.com"
    user = User.objects.create_user(name, email=email, password=PASSWORD)
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    return user


def make_wallet(user: User, address: str = CHECKSUMMED) -> SocialAccount:
    return SocialAccount.objects.create(
        user=user,
        provider="ethereum",
        uid=address,
        extra_data={"address": address, "chain_id": 1, "kind": "eoa"},
    )


def sign_in(user: User, agent: str = FIREFOX, **headers: str) -> Client:
    """A browser in which the user has just signed in with the password."""
    client = Client(headers={"User-Agent": agent, **headers})
    answer = client.post(reverse("account_login"), {"login": user.email, "password": PASSWORD})
    assert answer.status_code == 302, answer.context["form"].errors
    return client


def prove(client: Client) -> None:
    """Give the proof of presence that sensitive doors ask for."""
    answer = client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    assert answer.status_code == 302
