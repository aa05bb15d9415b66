"""Chains, blocks and transactions as everybody reads them."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
from django.utils import timezone

from balances.constants import KEPT_BLOCKS, MAX_UINT256
from balances.models import Chain
from balances.tests import ledger
from balances.tests.people import refused

pytestmark = pytest.mark.django_db

EIP55 = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


@pytest.fixture
def chain():
    return ledger.make_chain(head=10)


def get(client, path, **query):
    return client.get(f"/api/v1/{path}", query)


def numbers(response):
    return [row["number"] for row in response.json()["blocks"]]


def values(response):
    return [int(row["value"]) for row in response.json()["transactions"]]


# --- Chains -----------------------------------------------------------------------------------


def test_a_chain_says_its_head_and_its_age(client, chain):
    (row,) = get(client, "chains").json()["chains"]
    assert (row["id"], row["symbol"], row["state"], row["head_number"]) == (
        31337,
        "ETH",
        "live",
        10,
    )
    assert row["head_age_seconds"] > 0


def test_a_chain_that_nobody_has_heard_of_for_three_block_times_is_stale(client, chain):
    Chain.objects.update(head_seen_at=timezone.now() - timedelta(seconds=40))
    assert get(client, "chains").json()["chains"][0]["state"] == "stale"


def test_a_chain_that_is_switched_off_is_not_there(client, chain):
    Chain.objects.update(enabled=False)
    assert get(client, "chains").json() == {"chains": [], "next": None}
    assert refused(get(client, "blocks", chain=31337))[:2] == (404, "unknown_chain")


@pytest.mark.parametrize("name", ["7", "-1", "mainnet", "1e3", "9" * 40, "٣"])
def test_an_unknown_chain_is_not_found(client, chain, name):
    assert refused(get(client, "blocks", chain=name)) == (404, "unknown_chain", ["chain"])


def test_where_there_are_several_chains_one_has_to_be_named(client, chain):
    ledger.make_chain(1, head=2)
    assert refused(get(client, "blocks")) == (400, "chain_needed", ["chain"])
    assert numbers(get(client, "blocks", chain=1)) == [2, 1, 0]


# --- Blocks -----------------------------------------------------------------------------------


def test_blocks_come_newest_first_and_pages_join(client, chain):
    response = get(client, "blocks", limit=4)
    assert numbers(response) == [10, 9, 8, 7]
    following = response.json()["next"]
    assert response["Link"] == f'<{following}>; rel="next"'
    assert numbers(client.get(following)) == [6, 5, 4, 3]


def test_the_last_page_says_that_it_is(client, chain):
    assert get(client, "blocks", before=3).json()["next"] is None
    assert numbers(get(client, "blocks", before=0)) == []


def test_who_missed_blocks_walks_up_to_the_head(client, chain):
    response = get(client, "blocks", after=4, limit=4)
    assert numbers(response) == [8, 7, 6, 5]
    assert numbers(client.get(response.json()["next"])) == [10, 9]
    assert numbers(get(client, "blocks", after=10)) == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 501}, "limit"),
        ({"before": -1}, "before"),
        ({"before": "x"}, "before"),
        ({"before": 2**63}, "before"),
        ({"after": 1, "before": 2}, "after"),
        ({"befor": 1}, "befor"),
        ({"format": "xml"}, "format"),
    ],
)
def test_what_is_misspelt_or_out_of_range_is_named(client, chain, query, field):
    assert refused(get(client, "blocks", **query)) == (400, "invalid", [field])


# --- Transactions -------------------------------------------------------------------------------


def test_transactions_come_newest_first_and_pages_join(client, chain):
    for number in (3, 5, 5, 9):
        ledger.make_tx(chain, number, 1, 2, value=number)
    whole = get(client, "transactions").json()["transactions"]
    assert [(row["block_number"], row["index"]) for row in whole] == [
        (9, 0),
        (5, 1),
        (5, 0),
        (3, 0),
    ]
    first = get(client, "transactions", limit=2)
    rest = client.get(first.json()["next"]).json()
    assert first.json()["transactions"] + rest["transactions"] == whole
    assert rest["next"] is None


def test_amounts_are_text_to_the_last_digit(client, chain):
    ledger.make_tx(chain, 3, 1, None, value=MAX_UINT256)
    (row,) = get(client, "transactions").json()["transactions"]
    assert (row["value"], row["to"]) == (str(MAX_UINT256), None)
    assert row["amount"].replace(".", "") == str(MAX_UINT256)


def test_addresses_are_spelled_with_their_checksum(client, chain):
    ledger.make_tx(chain, 3, int(EIP55, 16), 2, value=1)
    assert get(client, "transactions").json()["transactions"][0]["from"] == EIP55


def test_filters_narrow_on_the_server(client, chain):
    ledger.make_tx(chain, 3, 1, 2, value=10)
    ledger.make_tx(chain, 4, 2, 1, value=20)
    ledger.make_tx(chain, 5, 3, 4, value=30)
    one = ledger.text(1)
    assert values(get(client, "transactions", address=one)) == [20, 10]
    assert values(get(client, "transactions", address=one, direction="in")) == [20]
    assert values(get(client, "transactions", address=one, direction="out")) == [10]
    assert values(get(client, "transactions", min_value=20)) == [30, 20]
    assert values(get(client, "transactions", min_value=15, address=one)) == [20]


def test_a_token_narrows_to_what_moved_it(client, chain):
    token = ledger.make_token(chain)
    moved = ledger.make_tx(chain, 3, 1, 0xC0, value=0)
    ledger.make_tx(chain, 4, 1, 2, value=10)
    ledger.make_transfer(token, 3, 1, 2, value=500, tx_hash=bytes(moved.hash))
    contract = ledger.text(0)[:-2] + "c0"
    assert len(values(get(client, "transactions", token=contract))) == 1
    assert values(get(client, "transactions", token=contract, min_value=501)) == []
    two = {"token": contract, "address": ledger.text(2)}
    assert len(values(get(client, "transactions", direction="in", **two))) == 1
    assert values(get(client, "transactions", direction="out", **two)) == []


def test_older_activity_is_nobodys_business_here_since_it_would_tell_who_is_followed(client):
    chain = ledger.make_chain()
    ledger.make_blocks(chain, [1, 2, KEPT_BLOCKS + 1])
    ledger.span(chain, 1, 2)
    ledger.make_tx(chain, 1, 1, 2, value=1)
    ledger.make_tx(chain, 2, 1, 2, value=2)
    assert values(get(client, "transactions", address=ledger.text(1))) == [2]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"address": "0x12"}, (400, "bad_address", ["address"])),
        ({"address": EIP55.replace("A", "a", 1)}, (400, "bad_checksum", ["address"])),
        ({"address": "vitalik.eth"}, (400, "name_not_address", ["address"])),
        ({"token": "0x12"}, (400, "bad_address", ["token"])),
        ({"token": ledger.text(99)}, (404, "unknown_token", ["token"])),
        ({"direction": "in"}, (400, "invalid", ["direction"])),
        ({"direction": "up"}, (400, "invalid", ["direction"])),
        ({"min_value": -1}, (400, "invalid", ["min_value"])),
        ({"min_value": 2**256}, (400, "invalid", ["min_value"])),
        ({"min_value": "1.5"}, (400, "invalid", ["min_value"])),
        ({"cursor": "zzz"}, (400, "bad_cursor", ["cursor"])),
        ({"cursor": "9" * 60 + ".0.1"}, (400, "bad_cursor", ["cursor"])),
    ],
)
def test_bad_filters_are_named(client, chain, query, expected):
    assert refused(get(client, "transactions", **query)) == expected


@pytest.mark.parametrize("address", [EIP55.lower(), "0x" + EIP55[2:].upper(), EIP55])
def test_an_address_in_one_case_or_with_its_checksum_is_read(client, chain, address):
    ledger.make_tx(chain, 3, int(EIP55, 16), 2, value=7)
    assert values(get(client, "transactions", address=address)) == [7]


def test_a_cursor_beyond_every_number_of_the_database_ends_the_list(client, chain):
    ledger.make_tx(chain, 3, 1, 2, value=7)
    assert values(get(client, "transactions", cursor=f"{'9' * 19}.0.{'9' * 10}")) == [7]


def test_lists_come_as_csv_too(client, chain):
    ledger.make_tx(chain, 3, 1, 2, value=MAX_UINT256)
    response = get(client, "transactions", format="csv")
    (row,) = csv.DictReader(io.StringIO(response.content.decode()))
    assert row["value"] == str(MAX_UINT256)
    assert get(client, "blocks", format="csv", limit=2).content.count(b"\r\n") == 3
    assert b"31337" in get(client, "chains", format="csv").content


def test_reading_costs_the_same_however_much_there_is(client, chain, django_assert_num_queries):
    for number in range(10):
        ledger.make_tx(chain, number, 1, 2, value=1)
    get(client, "chains")
    for path, queries in (("chains", 1), ("blocks", 2), ("transactions", 2)):
        with django_assert_num_queries(queries):
            assert get(client, path).status_code == 200


def test_blocks_kept_for_an_address_are_in_no_list_for_everybody(client):
    chain = ledger.make_chain()
    ledger.make_blocks(chain, [3, 8, 9])
    ledger.span(chain, 8, 9)
    ledger.make_tx(chain, 3, 1, 2, value=1)
    assert numbers(get(client, "blocks")) == [9, 8]
    assert numbers(get(client, "blocks", after=2)) == [9, 8]
    assert values(get(client, "transactions")) == []
