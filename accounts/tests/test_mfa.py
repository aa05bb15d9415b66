"""Second factors, over allauth's pages as they are styled here."""

import re

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth
from django.urls import reverse

from accounts.models import SecurityEvent
from accounts.tests.people import PASSWORD, make_user, prove, sign_in

pytestmark = pytest.mark.django_db
PAGES = [
    "mfa_index",
    "mfa_activate_totp",
    "mfa_add_webauthn",
    "mfa_list_webauthn",
    "socialaccount_connections",
    "account_email",
    "account_change_password",
]
SECRET_PAGES = ["mfa_view_recovery_codes", "mfa_generate_recovery_codes", "mfa_deactivate_totp"]


@pytest.fixture
def ann():
    return make_user("ann")


@pytest.fixture
def proved(ann):
    client = sign_in(ann)
    prove(client)
    return client


def code_for(secret: str, *, steps: int = 0) -> str:
    counter = next(iter(auth.yield_hotp_counters_from_time()))
    return auth.format_hotp_value(auth.hotp_value(secret, counter + steps))


@pytest.fixture
def totp(ann, proved):
    """Switched on over the page; the secret."""
    page = proved.get(reverse("mfa_activate_totp"))
    secret = page.context["form"].secret
    answer = proved.post(reverse("mfa_activate_totp"), {"code": code_for(secret)})
    assert answer.status_code == 302
    return secret


def kinds(user):
    return list(user.security_events.order_by("id").values_list("kind", "detail"))


@pytest.mark.parametrize("name", PAGES)
def test_pages_stand_in_the_frame_and_hold_no_inline_script_or_style(proved, name):
    text = proved.get(reverse(name)).text
    assert 'class="topbar"' in text
    assert "style=" not in text
    for script in re.findall(r"<script(?![^>]*src=)[^>]*>", text):
        assert 'type="application/json"' in script, script


@pytest.mark.parametrize("name", SECRET_PAGES)
def test_pages_with_factors_do_so_too(proved, totp, name):
    text = proved.get(reverse(name)).text
    assert 'class="topbar"' in text
    assert "style=" not in text


def test_the_picture_of_the_secret_is_a_data_image_that_the_policy_allows(proved):
    answer = proved.get(reverse("mfa_activate_totp"))
    assert 'src="data:image/svg+xml' in answer.text
    assert "img-src 'self' data:" in answer["Content-Security-Policy"]


def test_an_app_is_switched_on_and_written_into_the_log(ann, totp):
    assert ("factor_added", "authenticator app") in kinds(ann)
    assert ("factor_added", "recovery codes") in kinds(ann)


def test_switching_on_needs_a_recent_proof(ann):
    answer = sign_in(ann).get(reverse("mfa_activate_totp"))
    assert answer["Location"].startswith(reverse("account_reauthenticate"))


def test_with_an_app_the_password_alone_does_not_sign_in(ann, totp, client):
    answer = client.post(reverse("account_login"), {"login": "ann", "password": PASSWORD})
    assert answer["Location"] == reverse("mfa_authenticate")
    assert "_auth_user_id" not in client.session
    client.post(reverse("mfa_authenticate"), {"code": "000000"})
    assert kinds(ann)[-1] == ("sign_in_failed", "authenticator app")
    recovery = Authenticator.objects.get(user=ann, type="recovery_codes").wrap()
    client.post(reverse("mfa_authenticate"), {"code": recovery.get_unused_codes()[0]})
    assert "_auth_user_id" in client.session
    assert kinds(ann)[-1] == ("signed_in", "password, recovery codes")


def test_switching_off_is_written_and_takes_the_recovery_codes_along(ann, proved, totp):
    proved.post(reverse("mfa_deactivate_totp"))
    assert not Authenticator.objects.exists()
    assert ("factor_removed", "authenticator app") in kinds(ann)


def test_the_account_page_tells_which_factors_are_on(proved, totp):
    methods = proved.get(reverse("accounts:page")).context["methods"]
    assert methods.has_totp
    assert methods.recovery_codes == 10


def test_no_secret_of_a_factor_is_in_the_log(ann, totp):
    assert totp not in str(SecurityEvent.objects.values())
