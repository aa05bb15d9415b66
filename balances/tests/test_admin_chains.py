"""Chains, nodes and jobs in the admin: keys stay hidden, and what services write is not edited."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from accounts.services import roles
from accounts.services.roles import Role
from balances.admin import ChainAdmin, masked
from balances.models import BackfillJob, Chain, RpcEndpoint, Token
from balances.services import watches
from balances.tests import ledger

pytestmark = pytest.mark.django_db

KEY = "abcdef0123456789abcdef0123456789"


@pytest.fixture
def chain():
    return ledger.make_chain(head=5)


def staff(role):
    user = User.objects.create_user(role.name.lower(), is_staff=True)
    roles.join(user, role)
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"https://mainnet.example/v3/{KEY}", "https://mainnet.example/v3/***"),
        (f"https://node.example/?key={KEY}", "https://node.example/?***"),
        (f"https://user:{KEY}@node.example:8545/rpc", "https://node.example:8545/rpc"),
        ("https://node.example/$NODE_KEY", "https://node.example/$NODE_KEY"),
        ("http://127.0.0.1:8545", "http://127.0.0.1:8545"),
        ("", ""),
    ],
)
def test_an_address_is_shown_without_what_may_be_a_key(url, shown):
    assert masked(url) == shown


def test_operators_see_nodes_without_their_keys(chain):
    node = RpcEndpoint.objects.create(chain=chain, name="a", url_http=f"https://x.example/{KEY}")
    operator = staff(Role.OPERATOR)
    for path in ("", f"{node.pk}/change/"):
        page = operator.get(f"/admin/balances/rpcendpoint/{path}")
        assert page.status_code == 200
        assert KEY not in page.content.decode()
        assert "https://x.example/***" in page.content.decode()


def test_operators_sort_tokens_into_listed_and_spam(chain):
    token = ledger.make_token(chain, symbol="<b>FREE</b>")
    operator = staff(Role.OPERATOR)
    page = operator.get(f"/admin/balances/token/{token.pk}/change/")
    assert b"<b>FREE" not in page.content
    given = {"status": "spam", "price_symbol": ""}
    operator.post(f"/admin/balances/token/{token.pk}/change/", given)
    assert Token.objects.get(pk=token.pk).status == "spam"


def test_who_watches_what_is_not_for_operators_and_labels_are_for_nobody(chain):
    watches.add(User.objects.create_user("ann"), ledger.text(1), label="secret savings")
    assert staff(Role.OPERATOR).get("/admin/balances/watch/").status_code == 403
    page = staff(Role.ADMINISTRATOR).get("/admin/balances/watch/").content.decode()
    assert ledger.text(1) in page
    assert "secret savings" not in page


def test_a_parked_job_is_tried_again_by_hand(chain):
    job = BackfillJob.objects.create(chain=chain, kind="blocks", state="parked", error="no_archive")
    chosen = {"action": "retry", "_selected_action": [job.pk]}
    staff(Role.OPERATOR).post("/admin/balances/backfilljob/", chosen)
    job.refresh_from_db()
    assert (job.state, job.error) == ("waiting", "")


def test_pages_of_the_admin_open_though_rows_hold_bytes(chain):
    ledger.make_token(chain)
    root = User.objects.create_superuser("root")
    client = Client()
    client.force_login(root)
    for path in ("chain/", f"chain/{chain.pk}/change/", "token/", "reorgevent/", "backfilljob/"):
        assert client.get(f"/admin/balances/{path}").status_code == 200


def test_a_chain_is_switched_on_without_moving_its_head_and_reads_who_came_meanwhile(
    chain, monkeypatch
):
    Chain.objects.update(enabled=False)
    watches.add(User.objects.create_user("ann"), ledger.text(1))
    assert not BackfillJob.objects.exists()
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    save = ChainAdmin.save_model

    def save_late(self, request, obj, form, change):
        # Between the reading of the form and its saving, the follower applied a block.
        ledger.make_blocks(chain, [6])
        save(self, request, obj, form, change)

    monkeypatch.setattr(ChainAdmin, "save_model", save_late)
    names = ("name", "native_symbol", "native_decimals", "block_time_ms", "reorg_depth")
    given = {name: getattr(chain, name) for name in names} | {"multicall_from_block": 0}
    path = f"/admin/balances/chain/{chain.pk}/change/"
    assert client.post(path, {**given, "enabled": "on", "explorer_url": ""}).status_code == 302
    chain.refresh_from_db()
    assert (chain.enabled, chain.head_number) == (True, 6)
    assert BackfillJob.objects.get().kind == "seed"


def test_another_address_of_a_node_is_probed_anew(chain):
    facts = {"caps": {"trace": True}, "archive_from": 0, "last_ok_at": timezone.now()}
    node = RpcEndpoint.objects.create(chain=chain, name="a", url_http="https://x.example", **facts)
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    given = {"chain": chain.pk, "name": "b", "url_http": "https://x.example", "priority": 1}
    change = f"/admin/balances/rpcendpoint/{node.pk}/change/"
    for url, caps in (("https://x.example", {"trace": True}), ("https://y.example", {})):
        answer = client.post(change, {**given, "url_http": url, "enabled": "on"})
        assert answer.status_code == 302
        node.refresh_from_db()
        assert (node.url_http, node.caps) == (url, caps)
    assert node.last_ok_at is None
