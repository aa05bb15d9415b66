"""Sign-up, sign-in, sign-out and reset by e-mail, over the pages a person uses."""

import re

import pytest
from django.core import mail
from django.urls import reverse

from accounts.models import User

pytestmark = pytest.mark.django_db
ADDRESS, PASSWORD = "customer@example.com", "correct horse battery staple"


@pytest.fixture
def signed_up(client):
    form = {"email": ADDRESS, "password1": PASSWORD, "password2": PASSWORD}
    assert client.post(reverse("account_signup"), form).status_code == 302
    return User.objects.get()


@pytest.fixture
def confirmed(client, signed_up):
    client.post(link_in_mail())
    return signed_up


def link_in_mail() -> str:
    found = re.search(r"https?://[^/\s]+(/\S+)", str(mail.outbox[-1].body))
    assert found, mail.outbox[-1].body
    return found[1]


def sign_in(client, login=ADDRESS, password=PASSWORD):
    return client.post(reverse("account_login"), {"login": login, "password": password})


def signed_in(client) -> bool:
    return "_auth_user_id" in client.session


def test_a_user_name_never_shows_the_address(signed_up):
    assert re.fullmatch(r"user-[0-9a-f]{12}", signed_up.username)


def test_an_unconfirmed_address_does_not_sign_in(client, signed_up):
    sign_in(client)
    assert not signed_in(client)


def test_after_confirming_the_address_signs_in_and_out(client, confirmed):
    sign_in(client)
    assert signed_in(client)
    client.post(reverse("account_logout"))
    assert not signed_in(client)


def test_signing_out_needs_a_post(client, confirmed):
    sign_in(client)
    client.get(reverse("account_logout"))
    assert signed_in(client)


def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(client, confirmed):
    client.post(reverse("account_logout"))
    wrong = sign_in(client, password="wrong password entirely")
    unknown = sign_in(client, login="nobody@example.com")
    assert not signed_in(client)
    assert wrong.context["form"].errors == unknown.context["form"].errors


def test_signing_up_twice_tells_the_owner_and_not_the_stranger(client, confirmed):
    form = {"email": ADDRESS, "password1": PASSWORD, "password2": PASSWORD}
    answer = client.post(reverse("account_signup"), form)
    assert answer.status_code == 302
    assert User.objects.count() == 1
    assert mail.outbox[-1].to == [ADDRESS]


def test_a_reset_password_replaces_the_old_one(client, confirmed):
    client.post(reverse("account_logout"))
    client.post(reverse("account_reset_password"), {"email": ADDRESS})
    form_page = client.get(link_in_mail(), follow=True)
    address = form_page.request["PATH_INFO"]
    client.post(address, {"password1": "another long phrase", "password2": "another long phrase"})
    sign_in(client)
    assert not signed_in(client)
    sign_in(client, password="another long phrase")
    assert signed_in(client)


def test_a_reset_for_an_unknown_address_answers_the_same_and_makes_nobody(client):
    answer = client.post(reverse("account_reset_password"), {"email": "nobody@example.com"})
    assert answer.status_code == 302
    assert not User.objects.exists()


@pytest.mark.parametrize("password", ["short", "password123", "12345678901"])
def test_a_weak_password_is_refused_and_nothing_is_stored(client, password):
    form = {"email": ADDRESS, "password1": password, "password2": password}
    answer = client.post(reverse("account_signup"), form)
    assert answer.context["form"].errors
    assert not User.objects.exists()


def test_many_wrong_passwords_are_slowed_down(client, confirmed):
    client.post(reverse("account_logout"))
    for _ in range(12):
        sign_in(client, password="wrong password entirely")
    sign_in(client)
    assert not signed_in(client)


def test_the_next_page_after_signing_in_is_never_another_site(client, confirmed):
    form = {"login": ADDRESS, "password": PASSWORD, "next": "https://evil.example/"}
    answer = client.post(reverse("account_login"), form)
    assert "evil.example" not in answer["Location"]


def test_a_user_without_any_address_signs_in_by_name(client):
    User.objects.create_superuser("root", password=PASSWORD)
    sign_in(client, login="root")
    assert signed_in(client)


def test_a_user_made_with_an_address_confirms_it_first(client):
    User.objects.create_user("made", email=ADDRESS, password=PASSWORD)
    sign_in(client, login="made")
    assert not signed_in(client)
    client.post(link_in_mail())
    sign_in(client, login="made")
    assert signed_in(client)
