"""What the pages offer of wallet sign-in, by configuration."""

import pytest

pytestmark = pytest.mark.django_db
PAGES = pytest.mark.parametrize("path", ["/accounts/login/", "/accounts/signup/"])


def shown(client, path):
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


@PAGES
def test_wallets_come_before_e_mail(client, path):
    page = shown(client, path)
    assert 0 < page.index("Wallets found on this machine") < page.index("With e-mail")


@PAGES
def test_where_wallet_sign_in_is_off_nothing_of_it_is_shown(client, settings, path):
    settings.SIWE_DOMAIN = ""
    page = shown(client, path)
    assert "wallet/page.js" not in page
    assert "data-wallets" not in page
    assert "With e-mail" in page


@PAGES
def test_the_demo_wallet_is_offered_in_demo_mode_only(client, settings, path):
    assert "demo-wallet.js" in shown(client, path)
    settings.DEMO = False
    assert "demo-wallet.js" not in shown(client, path)


@PAGES
@pytest.mark.parametrize("wanted", ["http://[", "//[::1", "https://evil.example/", "\0", "%"])
def test_a_next_that_cannot_be_followed_is_no_error(client, path, wanted):
    assert client.get(path, {"next": wanted}).status_code == 200


@pytest.mark.parametrize("wanted", ["http://[", "https://evil.example/", "//evil.example"])
def test_signing_in_does_not_follow_next_to_another_site(client, django_user_model, wanted):
    django_user_model.objects.create_user("anna", password="quay-side-42")
    form = {"login": "anna", "password": "quay-side-42", "next": wanted}
    answer = client.post("/accounts/login/", form)
    assert (answer.status_code, answer["Location"]) == (302, "/")
