"""What an address holds and held, as its readers get it."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Scope
from balances.constants import MAX_UINT256
from balances.models import Address, BackfillJob, RpcEndpoint
from balances.services import activity, export
from balances.tests import ledger
from balances.tests.people import refused, signed_in, with_token
from foundation import csv_files
from rates.tests.quotes import message, publish

pytestmark = [
    pytest.mark.django_db,
    # The test client is synchronous, the server is not.
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume"),
]

ONE = ledger.text(1)
EIP55 = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


@pytest.fixture
def chain():
    return ledger.make_chain(head=50)


@pytest.fixture
def coin(chain):
    return ledger.native(chain)


@pytest.fixture
def address():
    return ledger.make_address()


@pytest.fixture
def ann():
    return signed_in("ann")


def get(client, path="", who=ONE, **query):
    return client.get(f"/api/v1/balances/{who}{path}", query)


def table(response):
    text = b"".join(response).decode() if response.streaming else response.content.decode()
    return list(csv.DictReader(io.StringIO(text)))


# --- Who may ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "/history", "/transfers"])
def test_whoever_is_signed_in_may_look_up_any_address_and_nobody_else(chain, path, ann):
    assert get(ann, path).status_code == 200
    assert get(signed_in("bob"), path).status_code == 200
    assert get(Client(), path).status_code == 401
    assert get(with_token(ann.user, Scope.READ), path).status_code == 200
    assert refused(get(with_token(ann.user, Scope.EVENTS), path))[:2] == (403, "insufficient_scope")


# --- Now --------------------------------------------------------------------------------------


def test_a_holding_says_what_it_is_how_sure_and_since_when(ann, address, coin):
    ledger.make_history(address, coin, {10: 15 * 10**17})
    body = get(ann).json()
    (row,) = body["holdings"]
    assert body["address"] == ONE
    assert (row["value"], row["amount"]) == ("1500000000000000000", "1.5")
    assert (row["state"], row["reason"], row["block_number"]) == ("exact", None, 10)
    assert row["token"] == {
        "contract": None,
        "symbol": "ETH",
        "name": "ETH",
        "decimals": 18,
        "status": "listed",
    }
    assert row["key"] == "31337:native"
    assert 0 <= row["age_seconds"] < 60


def test_the_largest_amount_is_told_to_the_last_digit(ann, address, chain):
    token = ledger.make_token(chain, decimals=None)
    ledger.make_history(address, token, {10: MAX_UINT256})
    rows = get(ann).json()["holdings"]
    assert [row["value"] for row in rows if row["token"]["contract"]] == [str(MAX_UINT256)]
    cells = table(get(ann, format="csv"))
    assert str(MAX_UINT256) in [cell["value"] for cell in cells]


def test_an_address_that_nobody_knew_is_followed_from_then_on(ann, chain):
    (row,) = get(ann, who=ledger.text(77)).json()["holdings"]
    assert (row["value"], row["state"], row["reason"]) == (None, "loading", "seeding")
    new = Address.objects.get()
    assert new.looked_up_until is not None
    assert new.looked_up_until > timezone.now()
    assert BackfillJob.objects.get(address=new).kind == "seed"
    assert get(ann, who=ledger.text(77)).status_code == 200
    assert BackfillJob.objects.count() == 1


def test_worth_comes_with_the_age_of_the_price_and_what_is_left_out_is_named(ann, address, chain):
    publish(message("ETH_USD"))
    ledger.make_history(address, ledger.native(chain), {10: 2 * 10**18})
    ledger.make_history(address, ledger.make_token(chain, symbol="XYZ"), {10: 1})
    body = get(ann).json()
    ether, other = body["holdings"]
    assert ether["usd"] is not None
    assert ether["usd_at"] is not None
    assert (other["usd"], other["usd_reason"]) == (None, "no_pair")
    assert [token["symbol"] for token in body["totals"]["unpriced"]] == ["XYZ"]
    assert (body["totals"]["usd"], body["totals"]["complete"]) == (ether["usd"], False)


# --- Then -------------------------------------------------------------------------------------


def test_a_block_or_a_time_of_the_past_is_answered_at_once(ann, address, coin):
    ledger.make_history(address, coin, {10: 5, 20: 7})
    (row,) = get(ann, block=15).json()["holdings"]
    assert (row["value"], row["block_number"], row["at"]) == ("5", 15, "2026-01-01T00:03:00Z")
    (row,) = get(ann, at=ledger.at(20).isoformat()).json()["holdings"]
    assert row["value"] == "7"


def test_the_past_is_never_valued_at_the_price_of_today(ann, address, coin):
    publish(message("ETH_USD"))
    ledger.make_history(address, coin, {10: 10**18})
    (row,) = get(ann, block=15).json()["holdings"]
    assert (row["usd"], row["usd_reason"]) == (None, "no_pair")


def test_what_a_node_can_still_say_is_loading_and_what_none_can_is_unknown(ann, chain, address):
    (row,) = get(ann, block=15).json()["holdings"]
    assert (row["value"], row["state"], row["reason"]) == (None, "unknown", "no_archive")
    RpcEndpoint.objects.create(chain=chain, name="node", url_http="x", archive_from=0)
    (row,) = get(ann, block=15).json()["holdings"]
    assert (row["value"], row["state"], row["reason"]) == (None, "loading", "reading")
    assert BackfillJob.objects.filter(kind="read").count() == 1


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"block": 51}, (404, "block_in_future", ["block"])),
        ({"block": -1}, (400, "bad_block", ["block"])),
        ({"block": 2**63}, (400, "bad_block", ["block"])),
        ({"block": 2**64}, (400, "bad_block", ["block"])),
        ({"block": "latest"}, (400, "invalid", ["block"])),
        ({"block": 1, "at": "2026-01-01"}, (400, "invalid", ["at"])),
        ({"at": "2025-12-31T23:59:59Z"}, (404, "before_genesis", ["at"])),
        ({"at": "1969-12-31"}, (400, "invalid", ["at"])),
        ({"at": "2099-01-01"}, (400, "time_in_future", ["at"])),
        ({"at": "yesterday"}, (400, "invalid", ["at"])),
        ({"chain": 5}, (404, "unknown_chain", ["chain"])),
        ({"blok": 5}, (400, "invalid", ["blok"])),
    ],
)
def test_a_place_that_cannot_be_is_an_error_with_a_code(ann, chain, query, expected):
    assert refused(get(ann, **query)) == expected


@pytest.mark.parametrize("path", ["", "/history", "/transfers"])
@pytest.mark.parametrize(
    ("who", "code"),
    [
        ("0x12", "bad_address"),
        ("12" * 20, "bad_address"),
        (ONE + "0", "bad_address"),
        (EIP55.replace("A", "a", 1), "bad_checksum"),
        ("vitalik.eth", "name_not_address"),
        ("0x" + "g" * 40, "bad_address"),
        ("%F0%9F%90%B3", "bad_address"),
    ],
)
def test_what_is_no_address_is_an_error_with_a_code(ann, chain, path, who, code):
    assert refused(get(ann, path, who=who)) == (400, code, ["address"])
    assert not Address.objects.exists()


# --- How it came about ------------------------------------------------------------------------


def test_changes_come_newest_first_and_pages_join(ann, address, coin):
    ledger.make_history(address, coin, {10: 5, 20: 7, 30: 0})
    whole = get(ann, "/history").json()["changes"]
    assert [(row["block_number"], row["value"], row["delta"]) for row in whole] == [
        (30, "0", "-7"),
        (20, "7", "2"),
        (10, "5", None),
    ]
    first = get(ann, "/history", limit=2).json()
    rest = ann.get(first["next"]).json()
    assert first["changes"] + rest["changes"] == whole
    assert rest["next"] is None


def test_the_history_of_a_token_is_asked_for_by_its_contract(ann, address, chain):
    token = ledger.make_token(chain, 1234)
    ledger.make_history(address, token, {10: 5})
    contract = f"0x{1234:040x}"
    assert len(get(ann, "/history", token=contract).json()["changes"]) == 1
    assert get(ann, "/history").json()["changes"] == []
    unknown = get(ann, "/history", token=ledger.text(9))
    assert refused(unknown) == (404, "unknown_token", ["token"])


def test_transfers_are_coin_and_tokens_together_newest_first(ann, address, chain):
    token = ledger.make_token(chain)
    ledger.make_tx(chain, 3, 1, 2, value=10)
    ledger.make_transfer(token, 5, 2, 1, value=20)
    ledger.make_tx(chain, 5, 1, 1, value=30)
    ledger.make_tx(chain, 6, 1, 2, value=0)
    rows = get(ann, "/transfers").json()["transfers"]
    assert [(row["block_number"], row["direction"], row["value"]) for row in rows] == [
        (5, "in", "20"),
        (5, "self", "30"),
        (3, "out", "10"),
    ]


def test_pages_of_transfers_join_without_a_gap_or_a_repeat(ann, address, chain):
    token = ledger.make_token(chain)
    for number in range(10):
        ledger.make_tx(chain, number, 1, 2, value=1)
        ledger.make_tx(chain, number, 1, 1, value=2)
        ledger.make_transfer(token, number, 2, 1, value=3)
        ledger.make_transfer(token, number, 1, 1, value=4)
    whole = get(ann, "/transfers", limit=100).json()["transfers"]
    assert len(whole) == 40
    for limit in (1, 3, 7):
        pages, response = [], get(ann, "/transfers", limit=limit).json()
        while True:
            pages += response["transfers"]
            if response["next"] is None:
                break
            response = ann.get(response["next"]).json()
        assert pages == whole


def test_transfers_are_narrowed_on_the_server(ann, address, chain):
    token = ledger.make_token(chain, 1234, status="spam")
    ledger.make_tx(chain, 3, 1, 2, value=10)
    ledger.make_tx(chain, 4, 2, 1, value=20)
    ledger.make_transfer(token, 5, 2, 1, value=30)

    def values(**query):
        return [int(row["value"]) for row in get(ann, "/transfers", **query).json()["transfers"]]

    assert values(direction="in") == [30, 20]
    assert values(direction="out") == [10]
    assert values(min_value=20) == [30, 20]
    assert values(token="native") == [20, 10]
    assert values(token=f"0x{1234:040x}") == [30]
    assert values(spam="false") == [20, 10]


def test_what_others_did_is_not_among_them(ann, address, chain):
    ledger.make_tx(chain, 3, 2, 3, value=10)
    assert get(ann, "/transfers").json()["transfers"] == []


# --- Files ------------------------------------------------------------------------------------


def test_a_file_has_every_row_though_it_is_read_a_page_at_a_time(
    ann, address, chain, coin, monkeypatch
):
    monkeypatch.setattr(export, "ROWS", 3)
    ledger.make_history(address, coin, {n: n for n in range(10)})
    for number in range(8):
        ledger.make_tx(chain, number, 1, 2, value=MAX_UINT256)
    response = get(ann, "/history", format="csv")
    assert response["Content-Disposition"] == f'attachment; filename="{ONE}-31337-history.csv"'
    assert [row["value"] for row in table(response)] == [str(n) for n in reversed(range(10))]
    rows = table(get(ann, "/transfers", format="csv"))
    assert [row["value"] for row in rows] == [str(MAX_UINT256)] * 8


def test_a_file_is_sent_while_it_is_read(address, chain, monkeypatch):
    monkeypatch.setattr(export, "ROWS", 1)
    read = []
    page = activity.transfers

    def noted(*args, **given):
        read.append(1)
        return page(*args, **given)

    monkeypatch.setattr(activity, "transfers", noted)
    for number in range(5):
        ledger.make_tx(chain, number, 1, 2, value=1)
    parts = export.transfers(address, chain, activity.Filters())
    assert next(parts).startswith("time,block,")
    assert read == []
    next(parts)
    assert read == [1]


async def test_the_server_reads_no_part_before_the_one_before_it_was_sent():
    read = []

    def parts():
        for number in range(3):
            read.append(number)
            yield str(number)

    sent = csv_files.one_by_one(parts())
    assert (await anext(sent), read) == ("0", [0])
    assert [part async for part in sent] == ["1", "2"]


def test_what_a_stranger_calls_a_token_is_no_formula_in_a_file(ann, address, chain):
    token = ledger.make_token(chain, symbol='=HYPERLINK("evil")')
    ledger.make_transfer(token, 5, 2, 1, value=30)
    (row,) = table(get(ann, "/transfers", format="csv"))
    assert row["symbol"] == '\'=HYPERLINK("evil")'


def test_an_error_stays_json_where_a_file_was_asked_for(ann, chain):
    response = get(ann, "/history", token=ledger.text(9), format="csv")
    assert refused(response)[:2] == (404, "unknown_token")


# --- Cost -------------------------------------------------------------------------------------


def test_no_request_asks_a_node(ann, address, chain, coin, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a request asked a node")

    monkeypatch.setattr("balances.sources.nodes_for", refuse)
    monkeypatch.setattr("foundation.evm.node.Node.call", refuse)
    monkeypatch.setattr("foundation.evm.node.Node.batch", refuse)
    RpcEndpoint.objects.create(chain=chain, name="node", url_http="http://127.0.0.1:1")
    ledger.make_history(address, coin, {10: 5})
    paths = ["", "?block=3", "?at=2026-01-01T00:01:00Z", "/history", "/transfers"]
    answers = [ann.get(f"/api/v1/balances/{ONE}{path}").status_code for path in paths]
    answers += [ann.get(f"/api/v1/{path}").status_code for path in ("chains", "blocks", "watches")]
    answers.append(ann.get("/api/v1/transactions").status_code)
    answers.append(get(ann, who=ledger.text(88)).status_code)
    assert set(answers) == {200}


def test_reading_costs_the_same_however_much_there_is(
    ann, address, chain, coin, django_assert_max_num_queries
):
    publish(message("ETH_USD"))
    ledger.make_history(address, coin, {n: n for n in range(1, 30)})
    for number in range(20):
        token = ledger.make_token(chain, 0xC0 + number)
        ledger.make_history(address, token, {10: 1})
        ledger.make_transfer(token, number, 1, 2, value=1)
    get(ann)
    for path, most in (("", 11), ("?block=15", 13), ("/history", 9), ("/transfers", 10)):
        with django_assert_max_num_queries(most):
            assert ann.get(f"/api/v1/balances/{ONE}{path}").status_code == 200


def test_a_page_that_is_opened_often_writes_once(ann, chain, address):
    def until():
        return Address.objects.values_list("looked_up_until", flat=True).get()

    get(ann)
    first = until()
    get(ann)
    assert until() == first
    Address.objects.update(looked_up_until=first - timedelta(hours=2))
    get(ann)
    assert until() > first - timedelta(hours=1)
