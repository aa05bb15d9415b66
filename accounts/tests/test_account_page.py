"""The account page as a whole: who sees it, what it shows, and that it shows nobody else's."""

import pytest
from django.urls import reverse

from accounts.tests.people import CHECKSUMMED, SAFARI, make_user, make_wallet, prove, sign_in

pytestmark = pytest.mark.django_db
PAGES = ["page", "log", "export", "close", "confirm"]


@pytest.fixture
def ann():
    return make_user("ann")


@pytest.mark.parametrize("name", PAGES)
def test_nobody_is_asked_to_sign_in_first(client, name):
    address = reverse(f"accounts:{name}")
    answer = client.get(address)
    assert answer.status_code == 302
    assert answer["Location"] == f"{reverse('account_login')}?next={address}"


@pytest.mark.parametrize("name", PAGES[:-1])
def test_pages_of_an_account_are_never_kept_by_a_cache(ann, name):
    answer = sign_in(ann).get(reverse(f"accounts:{name}"))
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]


def test_without_a_wallet_the_proof_is_another_one(ann):
    answer = sign_in(ann).get(reverse("accounts:confirm"), {"then": reverse("accounts:export")})
    assert answer["Location"] == f"{reverse('account_reauthenticate')}?next=%2Faccount%2Fexport"


@pytest.mark.parametrize("name", ["next", "then"])
def test_a_proof_leads_to_no_other_site(ann, name):
    make_wallet(ann)
    client = sign_in(ann)
    answer = client.get(reverse("accounts:confirm"), {name: "https://evil.example/"}, follow=True)
    assert "evil.example" not in answer.text
    prove(client)
    answer = client.get(reverse("accounts:confirm"), {name: "https://evil.example/"})
    assert answer["Location"] == reverse("accounts:page")


def test_the_page_shows_every_section(ann):
    text = sign_in(ann).get(reverse("accounts:page")).text
    for title in ("profile", "wallets", "sign-in", "sessions", "log", "data"):
        assert f'id="{title}"' in text


def test_the_page_shows_nothing_of_somebody_else(ann):
    other = make_user("bea")
    make_wallet(other)
    sign_in(other, agent=SAFARI)
    text = sign_in(ann).get(reverse("accounts:page")).text
    assert CHECKSUMMED not in text
    assert "bea@example.com" not in text
    assert "iPhone" not in text


def test_a_full_page_takes_as_many_queries_as_an_empty_one(ann, django_assert_max_num_queries):
    client = sign_in(ann)
    client.get(reverse("accounts:page"))
    for n in range(5):
        make_wallet(ann, f"0x{n:040x}")
        sign_in(ann, agent=SAFARI)
    with django_assert_max_num_queries(10):
        client.get(reverse("accounts:page"))


def test_a_wallet_is_named_and_the_name_is_escaped(ann):
    wallet = make_wallet(ann)
    client = sign_in(ann)
    client.post(reverse("accounts:wallet-name", args=[wallet.pk]), {"label": "<b>Ledger"})
    assert "&lt;b&gt;Ledger" in client.get(reverse("accounts:page")).text


@pytest.mark.parametrize("door", ["wallet-name", "wallet-remove"])
def test_the_wallet_of_somebody_else_is_not_there(ann, door):
    wallet = make_wallet(make_user("bea"))
    client = sign_in(ann)
    prove(client)
    answer = client.post(reverse(f"accounts:{door}", args=[wallet.pk]), {"label": "mine"})
    assert answer.status_code == 404
