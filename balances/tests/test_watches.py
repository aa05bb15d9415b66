"""Who watches what, and that nobody else learns of it."""

from __future__ import annotations

import pytest
from django.db import OperationalError
from django.test import Client

from accounts.models import Scope
from accounts.tests.people import CHECKSUMMED, make_user, make_wallet, sign_in
from balances.models import Address, BackfillJob, Watch
from balances.services import watches
from balances.tests import ledger
from balances.tests.people import refused, signed_in, with_token
from foundation.errors import Conflict
from live import control

pytestmark = pytest.mark.django_db

ONE, TWO = ledger.text(1), ledger.text(2)


@pytest.fixture
def chain():
    return ledger.make_chain(head=5)


@pytest.fixture
def ann():
    return signed_in("ann")


@pytest.fixture
def withdrawn(monkeypatch):
    """What was taken from whom."""
    found: list[dict[str, str]] = []
    monkeypatch.setattr(control, "_send", found.append)
    return found


def send(client, method, path="", **body):
    call = getattr(client, method)
    return call(f"/api/v1/watches{path}", body, content_type="application/json")


def labels(client):
    return [row["label"] for row in client.get("/api/v1/watches").json()["watches"]]


# --- By hand ----------------------------------------------------------------------------------


def test_a_watched_address_is_listed_and_read_in_the_background(ann, chain):
    made = send(ann, "post", address=ONE, label="Till", group="Shop", colour="#1A2B3C")
    assert made.status_code == 201
    row = made.json()
    assert (row["address"], row["label"], row["group"], row["colour"]) == (
        ONE,
        "Till",
        "Shop",
        "#1a2b3c",
    )
    assert (row["chain"], row["proven"], row["hidden"]) == (None, False, False)
    assert ann.get("/api/v1/watches").json()["watches"] == [row]
    assert BackfillJob.objects.get().kind == "seed"


def test_nobody_sees_or_changes_what_another_watches(ann, chain):
    made = send(ann, "post", address=ONE, label="secret").json()
    bob = signed_in("bob")
    assert labels(bob) == []
    missing: tuple[int, str, list[str]] = (404, "unknown_watch", [])
    assert refused(send(bob, "patch", f"/{made['id']}", label="mine")) == missing
    assert refused(send(bob, "delete", f"/{made['id']}")) == missing
    assert labels(ann) == ["secret"]


def test_two_people_may_watch_one_address_under_names_of_their_own(ann, chain):
    bob = signed_in("bob")
    send(ann, "post", address=ONE, label="hers")
    send(bob, "post", address=ONE, label="his")
    assert (labels(ann), labels(bob)) == (["hers"], ["his"])
    assert Address.objects.count() == 1


def test_tokens_read_watches_and_change_none(ann, chain):
    send(ann, "post", address=ONE, label="mine")
    reader = with_token(ann.user, Scope.READ)
    assert labels(reader) == ["mine"]
    assert refused(send(reader, "post", address=TWO))[:2] == (403, "session_required")
    assert reader.get("/api/v1/watches").status_code == 200
    assert with_token(ann.user, Scope.EVENTS).get("/api/v1/watches").status_code == 403
    assert Client().get("/api/v1/watches").status_code == 401


def test_only_what_is_given_changes(ann, chain):
    made = send(ann, "post", address=ONE, label="a", group="g").json()
    changed = send(ann, "patch", f"/{made['id']}", label=" b ", hidden=True).json()
    assert changed == {**made, "label": "b", "hidden": True}


def test_a_removed_watch_is_gone_and_its_pages_hear_no_more(
    ann, chain, withdrawn, django_capture_on_commit_callbacks
):
    made = send(ann, "post", address=ONE).json()
    with django_capture_on_commit_callbacks(execute=True):
        assert send(ann, "delete", f"/{made['id']}").status_code == 204
    assert labels(ann) == []
    assert withdrawn == [{"user": str(ann.user.pk), "topic": f"balances:{ONE}"}]


def test_an_address_is_watched_once_on_each_chain_and_once_on_all(ann, chain):
    assert send(ann, "post", address=ONE).status_code == 201
    assert refused(send(ann, "post", address=ONE)) == (409, "already_watched", ["address"])
    assert send(ann, "post", address=ONE, chain=chain.pk).status_code == 201
    again = send(ann, "post", address=ONE, chain=chain.pk)
    assert refused(again) == (409, "already_watched", ["address"])


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({}, 400, "invalid", "address"),
        ({"address": "0x1"}, 400, "bad_address", "address"),
        ({"address": "me.eth"}, 400, "name_not_address", "address"),
        ({"address": ONE, "chain": 9}, 404, "unknown_chain", "chain"),
        ({"address": ONE, "chain": "x"}, 400, "invalid", "chain"),
        ({"address": ONE, "chain": 2**70}, 400, "invalid", "chain"),
        ({"address": ONE, "label": "x" * 61}, 400, "invalid", "label"),
        ({"address": ONE, "label": "a\u202eb"}, 400, "invalid", "label"),
        ({"address": ONE, "group": "x" * 41}, 400, "invalid", "group"),
        ({"address": ONE, "colour": "red"}, 400, "invalid", "colour"),
        ({"address": ONE, "lable": "x"}, 400, "invalid", "lable"),
        ({"address": ONE, "proven": True}, 400, "invalid", "proven"),
        ({"address": ["x"]}, 400, "invalid", "address"),
    ],
)
def test_what_cannot_be_is_named(ann, chain, body, status, code, field):
    assert refused(send(ann, "post", **body)) == (status, code, [field])
    assert not Watch.objects.exists()


def test_there_is_an_end_to_how_many_one_may_watch(ann, chain, monkeypatch):
    monkeypatch.setattr(watches, "MAX_WATCHES", 1)
    send(ann, "post", address=ONE)
    assert refused(send(ann, "post", address=TWO))[:2] == (409, "too_many_watches")


def test_pages_of_watches_join(ann, chain, django_assert_max_num_queries):
    for number in range(5):
        watches.add(ann.user, ledger.raw(number), label=str(number))
    # The first request of a session is not what this is about.
    ann.get("/api/v1/watches")
    with django_assert_max_num_queries(4):
        first = ann.get("/api/v1/watches?limit=3").json()
    rest = ann.get(first["next"]).json()
    assert [row["label"] for row in first["watches"] + rest["watches"]] == list("01234")
    assert rest["next"] is None
    assert ann.get("/api/v1/watches?format=csv").content.count(b"\r\n") == 6


def test_a_label_is_no_formula_in_a_file(ann, chain):
    watches.add(ann.user, ONE, label="=1+1")
    assert b"'=1+1" in ann.get("/api/v1/watches?format=csv").content


@pytest.mark.parametrize("watch_id", ["0", "9" * 30])
def test_a_watch_that_cannot_be_is_not_found(ann, watch_id):
    assert send(ann, "delete", f"/{watch_id}").status_code == 404


# --- By a wallet ------------------------------------------------------------------------------


def test_a_linked_wallet_is_a_proven_watch(chain, django_capture_on_commit_callbacks):
    user = make_user()
    with django_capture_on_commit_callbacks(execute=True):
        make_wallet(user)
    (watch,) = watches.of(user)
    assert (str(watch.address), watch.proven, watch.chain) == (CHECKSUMMED.lower(), True, None)
    assert BackfillJob.objects.filter(kind="seed").count() == 1


def test_an_address_that_was_watched_becomes_proven_and_keeps_its_name(chain):
    user = make_user()
    watches.add(user, CHECKSUMMED, label="mine")
    watches.prove(user.pk, CHECKSUMMED)
    watches.prove(user.pk, CHECKSUMMED)
    (watch,) = watches.of(user)
    assert (watch.label, watch.proven) == ("mine", True)


def test_what_linking_could_not_do_is_made_up_for_at_the_next_sign_in(
    chain, monkeypatch, django_capture_on_commit_callbacks
):
    user = make_user()

    def lost(*args):
        raise OperationalError("connection lost")

    with monkeypatch.context() as patch, django_capture_on_commit_callbacks(execute=True):
        patch.setattr(watches, "_seeded", lost)
        wallet = make_wallet(user)
    assert not watches.of(user)
    with django_capture_on_commit_callbacks(execute=True):
        sign_in(user)
    assert watches.of(user).get().proven
    with monkeypatch.context() as patch, django_capture_on_commit_callbacks(execute=True):
        patch.setattr(watches, "unprove", lost)
        wallet.delete()
    assert watches.of(user).get().proven
    with django_capture_on_commit_callbacks(execute=True):
        sign_in(user)
    assert not watches.of(user)


def test_an_unlinked_wallet_is_watched_no_more(chain, django_capture_on_commit_callbacks):
    user = make_user()
    with django_capture_on_commit_callbacks(execute=True):
        wallet = make_wallet(user)
    with django_capture_on_commit_callbacks(execute=True):
        wallet.delete()
    assert not watches.of(user)


def test_an_unlinked_wallet_that_was_given_a_name_stays_as_watch_only(chain):
    user = make_user()
    watches.prove(user.pk, CHECKSUMMED)
    watches.change(user, watches.of(user).get().pk, label="old wallet")
    watches.unprove(user.pk, CHECKSUMMED)
    (watch,) = watches.of(user)
    assert (watch.label, watch.proven) == ("old wallet", False)


def test_unlinking_touches_nobody_elses_watch(chain):
    ann, bob = make_user("ann"), make_user("bob")
    for user in (ann, bob):
        watches.prove(user.pk, CHECKSUMMED)
    watches.unprove(ann.pk, CHECKSUMMED)
    assert (watches.of(ann).count(), watches.of(bob).count()) == (0, 1)


def test_a_linked_wallet_cannot_be_removed_from_the_list(chain):
    user = make_user()
    watches.prove(user.pk, CHECKSUMMED)
    with pytest.raises(Conflict) as refusal:
        watches.remove(user, watches.of(user).get().pk)
    assert refusal.value.code == "linked_wallet"


def test_wallets_are_linked_though_no_chain_is_followed():
    user = make_user()
    watches.prove(user.pk, CHECKSUMMED)
    assert watches.of(user).count() == 1
