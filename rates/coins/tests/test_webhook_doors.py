"""Webhooks over the API and on their pages: the owner's alone."""

import csv

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Scope
from accounts.services import deletion, export, tokens
from accounts.tests.people import make_user
from foundation import valkey
from rates.coins import constants as c
from rates.coins.services import webhook_delivery, webhooks
from rates.coins.tests.market import put
from rates.models import Webhook, WebhookDelivery

pytestmark = pytest.mark.django_db
API = "/api/v1/webhooks"


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def ann():
    return make_user("ann")


@pytest.fixture
def web(ann):
    return signed_in(ann)


@pytest.fixture
def hook(ann, receiver):
    return webhooks.make(user=ann, url=receiver.url, on="price")[0]


def send(client, method, path, body=None):
    return client.generic(method, path, "" if body is None else body, "application/json")


def test_a_webhook_is_made_and_its_secret_shown_once(web, receiver):
    answer = web.post(API, {"url": receiver.url, "on": "price>1%"}, "application/json")
    assert answer.status_code == 201
    made = answer.json()
    assert made["secret"].startswith("whsec_")
    assert answer["Cache-Control"] == "no-store"
    assert (made["active"], made["off"], made["on"]) == (True, "", "price>1%")
    listed = web.get(API).json()
    assert [item["id"] for item in listed] == [made["id"]]
    assert "secret" not in listed[0]
    assert "secret" not in web.get(f"{API}/{made['id']}").json()


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"on": "price"}, "url", "invalid"),
        ({"url": "https://127.0.0.1/", "on": "price"}, "url", "address_refused"),
        ({"url": "https://169.254.169.254/latest", "on": "price"}, "url", "address_refused"),
        ({"url": "http://1.1.1.1/", "on": "price"}, "url", "not_https"),
        ({"url": "nonsense", "on": "price"}, "url", "not_a_url"),
        ({"url": "https://1.1.1.1/", "on": "price>3%"}, "on", "invalid"),
        ({"url": ["x"], "on": {}}, "url", "invalid"),
    ],
)
def test_mistakes_are_named_with_what_is_allowed(web, body, field, code):
    answer = web.post(API, body, "application/json")
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == code
    assert field in error["fields"]
    assert not Webhook.objects.exists()


def test_ten_are_enough(web, ann, hook, receiver):
    more = [Webhook(owner=ann, url=receiver.url, key="price", secret="x") for _ in range(9)]
    Webhook.objects.bulk_create(more)
    answer = web.post(API, {"url": receiver.url, "on": "rank"}, "application/json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "too_many_webhooks")


@pytest.mark.parametrize(
    ("method", "rest"),
    [
        *(("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/secret")),
        *(("POST", "/test"), ("GET", "/deliveries")),
    ],
)
def test_anothers_is_not_there_and_nobody_has_to_sign_in(hook, method, rest):
    stranger = signed_in(make_user("eve"))
    path = f"{API}/{hook.pk}{rest}"
    assert send(stranger, method, path, "{}").status_code == 404
    assert send(Client(), method, path, "{}").status_code == 401
    assert Webhook.objects.filter(pk=hook.pk, off="").exists()


def test_a_token_reads_and_changes_nothing(ann, hook):
    _, secret = tokens.create(user=ann, name="t", scopes=[Scope.READ], expires_at=None)
    headers = {"Authorization": f"Bearer {secret}"}
    assert Client().get(API, headers=headers).status_code == 200
    answer = Client().delete(f"{API}/{hook.pk}", headers=headers)
    assert answer.json()["error"]["code"] == "session_required"


def test_address_filter_and_state_can_be_changed(web, hook, receiver):
    body = {"url": receiver.url + "/2", "on": "rank", "active": False}
    changed = web.patch(f"{API}/{hook.pk}", body, "application/json").json()
    assert (changed["url"], changed["on"], changed["off"]) == (body["url"], "rank", "owner")
    put("A")
    assert not WebhookDelivery.objects.exists()
    assert web.patch(f"{API}/{hook.pk}", {"active": True}, "application/json").json()["active"]
    refused = web.patch(f"{API}/{hook.pk}", {"url": "https://[::1]/"}, "application/json")
    assert refused.json()["error"]["code"] == "address_refused"
    assert web.delete(f"{API}/{hook.pk}").status_code == 204
    assert web.delete(f"{API}/{hook.pk}").status_code == 404


def test_a_new_secret_replaces_the_old_one(web, hook):
    answer = web.post(f"{API}/{hook.pk}/secret")
    fresh = Webhook.objects.get()
    assert answer.json()["secret"] == fresh.secret != hook.secret
    assert fresh.previous_secret == hook.secret


def test_a_test_is_sent_and_not_twice_in_a_moment(web, hook, receiver):
    assert web.post(f"{API}/{hook.pk}/test").status_code == 202
    again = web.post(f"{API}/{hook.pk}/test")
    assert (again.status_code, again["Retry-After"]) == (429, "10")
    assert webhook_delivery.deliver_due() == 1
    assert b'"on":"test"' in receiver.heard[0][1]
    webhooks.change(user=hook.owner, number=hook.pk, active=False)
    assert web.post(f"{API}/{hook.pk}/test").status_code == 409


def test_the_log_is_paged_newest_first_and_comes_as_csv(
    web, hook, receiver, django_assert_num_queries
):
    for number in range(1, 6):
        put("A", price=str(number))
    webhook_delivery.deliver_due()
    web.get(API)  # the first visit of a session writes who came
    with django_assert_num_queries(3):
        first = web.get(f"{API}/{hook.pk}/deliveries?limit=2")
    page = first.json()
    assert [row["status"] for row in page["deliveries"]] == [204, 204]
    assert first["Link"] == f'<{page["next"]}>; rel="next"'
    seen = [row["id"] for row in page["deliveries"]]
    while page["next"]:
        page = web.get(page["next"]).json()
        seen += [row["id"] for row in page["deliveries"]]
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 5
    table = web.get(f"{API}/{hook.pk}/deliveries?format=csv").content.decode()
    rows = list(csv.DictReader(table.splitlines()))
    assert [row["state"] for row in rows] == ["delivered"] * 5
    assert rows[0]["message"] == receiver.messages[-1]
    for query in ("limit=0", "limit=501", "before=x", "colour=red", "format=xml"):
        assert web.get(f"{API}/{hook.pk}/deliveries?{query}").status_code == 400


def test_webhooks_go_with_the_account_and_into_its_export(ann, hook):
    (given,) = export.export(ann)["webhooks"]
    assert given["url"] == hook.url
    assert "secret" not in given
    deletion.close(ann)
    assert not Webhook.objects.exists()


def test_metrics_tell_how_calling_goes(hook):
    # Counted in Valkey, where other tests have been.
    valkey.client().delete(c.KEY_CALLS)
    put("A")
    before = Client().get("/metrics").content.decode()
    assert "quayside_webhook_calls_waiting 1.0" in before
    webhook_delivery.deliver_due()
    after = Client().get("/metrics").content.decode()
    assert "quayside_webhook_calls_waiting 0.0" in after
    assert 'quayside_webhook_calls_total{outcome="delivered"} 1.0' in after


# --- Pages ----------------------------------------------------------------------------------------


def test_the_form_makes_one_and_shows_the_secret(web, receiver):
    page = reverse("coins:webhooks")
    answer = web.post(page, {"url": receiver.url, "on": "rank"})
    assert Webhook.objects.get().secret in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    listed = web.get(page).content.decode()
    assert receiver.url in listed
    assert Webhook.objects.get().secret not in listed


def test_the_form_says_what_is_wrong_with_an_address(web):
    answer = web.post(reverse("coins:webhooks"), {"url": "https://10.0.0.1/", "on": "rank"})
    assert answer.status_code == 400
    assert "private or reserved" in answer.content.decode()


def test_buttons_test_switch_rotate_and_remove(web, hook, receiver):
    act = reverse("coins:webhook-act", args=[hook.pk])
    page = reverse("coins:webhook", args=[hook.pk])
    assert web.post(act, {"action": "test"})["Location"] == page
    webhook_delivery.deliver_due()
    assert "Delivered" in web.get(page).content.decode()
    web.post(act, {"action": "off"})
    assert Webhook.objects.get().off == "owner"
    web.post(act, {"action": "on"})
    assert Webhook.objects.get().off == ""
    rotated = web.post(reverse("coins:webhook-rotate", args=[hook.pk]))
    assert Webhook.objects.get().secret in rotated.content.decode()
    assert web.post(act, {"action": "explode"}).status_code == 302
    web.post(act, {"action": "remove"})
    assert not Webhook.objects.exists()


def test_the_log_page_asks_as_often_for_many_calls(web, hook, django_assert_num_queries):
    for number in range(60):
        put("A", price=str(number + 1))
    page = reverse("coins:webhook", args=[hook.pk])
    web.get(API)
    with django_assert_num_queries(3):
        answer = web.get(page)
    assert len(answer.context["calls"]) == 50
    older = web.get(f"{page}?before={answer.context['older']}")
    assert len(older.context["calls"]) == 10
    assert web.get(f"{page}?before=x").status_code == 200


def test_pages_are_the_owners_alone(hook):
    stranger = signed_in(make_user("eve"))
    for name, arguments in (
        ("webhook", [hook.pk]),
        ("webhook-act", [hook.pk]),
        ("webhook-rotate", [hook.pk]),
    ):
        path = reverse(f"coins:{name}", args=arguments)
        method = "GET" if name == "webhook" else "POST"
        assert stranger.generic(method, path).status_code == 404
        assert Client().generic(method, path)["Location"].startswith("/accounts/login/")
