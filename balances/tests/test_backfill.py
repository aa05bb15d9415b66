"""Work for later: first readings, readings of the past, transfers of long ago, and what fails."""

from __future__ import annotations

from datetime import timedelta

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from django.db import connection
from django.utils import timezone
from eth_abi.abi import encode

from balances.constants import NATIVE, balances_topic
from balances.models import (
    Address,
    BackfillJob,
    Balance,
    BalancePoint,
    Coverage,
    Token,
)
from balances.services import backfill, history, lookback, past, seeding
from balances.services.catching_up import CatchUp
from balances.services.tokens import refresh_metadata
from balances.sources import nodes_for, sync_chains
from balances.tests.following import Town, call_data, configured, eventually, written
from foundation import valkey
from foundation.tests.fake_node import FakeNode, passing_to, saying
from live.messages import decode

pytestmark = pytest.mark.django_db(transaction=True)

ALL = ["seed", "read", "history", "blocks"]


@pytest.fixture
def town(anvil):
    return Town(anvil, 3)


@pytest.fixture
def chain(anvil):
    (chain,) = sync_chains(configured(anvil))
    # As probing finds it.
    chain.endpoints.update(archive_from=0, last_ok_at=timezone.now())
    return chain


@pytest.fixture
def catch_up(chain):
    nodes = nodes_for(chain)
    yield CatchUp(chain.pk, nodes, 32, patience=0)
    nodes.close()


def read_job(chain, address, number, **facts):
    return BackfillJob.objects.create(
        chain=chain, kind="read", address=address, from_block=number, to_block=number, **facts
    )


def due_again():
    BackfillJob.objects.update(leased_until=None)


def held(town, person, what=NATIVE):
    return Balance.objects.filter(address__raw=town.people[person], token__contract=what).first()


def test_a_new_address_is_read_once_the_chain_has_a_block(town, chain, catch_up):
    seeding.watch_addresses(town.people[:1])
    assert backfill.run_due(5, kinds=["seed"]) == 1
    job = BackfillJob.objects.get()
    assert (job.state, job.attempts) == ("waiting", 0)
    catch_up.advance()
    due_again()
    backfill.run_due(5, kinds=["seed"])
    assert held(town, 0).value == 10 * 10**18
    assert BackfillJob.objects.get(kind="seed").state == "done"


def test_watching_twice_seeds_once(town, chain):
    seeding.watch_addresses(town.people)
    seeding.watch_addresses(town.people)
    chain.refresh_from_db()
    assert (BackfillJob.objects.count(), chain.watch_seq) == (3, 1)


@pytest.mark.parametrize("window", [7, 2_000])
def test_tokens_of_the_past_are_found_and_told_back_to_their_first_transfer(
    anvil, town, chain, catch_up, window, monkeypatch
):
    monkeypatch.setattr(lookback, "WINDOW", window)
    town.pay(40)
    catch_up.advance()
    seeding.watch_addresses(town.people)
    town.pay(5)
    catch_up.advance()
    while backfill.run_due(20, kinds=ALL):
        due_again()
    assert set(BackfillJob.objects.values_list("state", flat=True)) == {"done"}
    covers = Coverage.objects.exclude(token__contract=NATIVE)
    followed, before = covers.filter(to_block=None), covers.exclude(to_block=None)
    assert (followed.count(), before.count()) == (6, 6)
    assert set(covers.values_list("complete", flat=True)) == {True}
    for cover in followed.select_related("address", "token"):
        who, what = bytes(cover.address.raw), bytes(cover.token.contract)
        earlier = before.get(address=cover.address, token=cover.token)
        last = cover.from_block - 1
        assert (earlier.from_block, earlier.to_block) == (0, last)
        # What the pages and the API tell of a block that nobody followed.
        for number in (0, 3, last):
            held_then = history.balances_at(cover.address, block=number)
            (then,) = (each for each in held_then if each.token == cover.token)
            real = town.truth(who, what, number) if number >= 3 else 0
            assert (then.value, then.state) == (real, "exact")
        for number in range(town.head()[0] + 1):
            points = BalancePoint.objects.of(cover.address, cover.token)
            value = points.filter(block_number__lte=number).values_list("value", flat=True)[0]
            # Before the token was deployed nobody held any.
            assert value == (town.truth(who, what, number) if number >= 3 else 0)


def test_a_token_whose_transfers_do_not_add_up_has_no_past(anvil, town, chain, catch_up):
    contract = bytes.fromhex(anvil.deploy("FeeToken")[2:])
    for person in town.people:
        data = call_data("mint", ["address", "uint256"], written(person), 10**6)
        anvil.send({"to": written(contract), "data": data})
    data = call_data("transfer", ["address", "uint256"], written(town.people[1]), 1000)
    anvil.ask(
        "eth_sendTransaction",
        {"from": written(town.people[0]), "to": written(contract), "data": data},
    )
    catch_up.advance()
    seeding.watch_addresses(town.people[1:2])
    while backfill.run_due(20, kinds=ALL):
        due_again()
    token = Token.objects.get(contract=contract)
    assert token.bugged_events
    cover = Coverage.objects.get(token=token)
    assert cover.from_block == town.head()[0]
    assert held(town, 1, contract).value == 10**6 + 990


def test_a_value_of_the_past_is_read_and_stands_for_its_block_alone(town, chain, catch_up):
    town.pay(10)
    then = town.head()[0] - 4
    catch_up.advance()
    seeding.watch_addresses(town.people)
    backfill.run_due(10, kinds=["seed"])
    address = Address.objects.get(raw=town.people[0])
    read_job(chain, address, then)
    backfill.run_due(1, kinds=["read"])
    cover = Coverage.objects.get(address=address, token__contract=NATIVE, to_block=then)
    point = BalancePoint.objects.get(address=address, token__contract=NATIVE, block_number=then)
    assert (cover.from_block, point.source) == (then, "archive")
    assert point.value == town.truth(town.people[0], NATIVE, then)
    assert held(town, 0).block_number == town.head()[0]


def test_a_node_without_the_state_parks_the_reading_with_its_reason(anvil, town, chain, catch_up):
    catch_up.advance()
    address = Address.objects.create(raw=town.people[0])
    job = read_job(chain, address, 1)
    with FakeNode(passing_to(anvil.url, without_state)) as node:
        chain.endpoints.update(url_http=node.url)
        backfill.run_due(1, kinds=["read"])
    job.refresh_from_db()
    assert (job.state, job.error) == ("parked", "no_archive")
    assert not Coverage.objects.exists()


def without_state(item, answer):
    if item["method"] in ("eth_call", "eth_getBalance"):
        error = {"code": -32000, "message": "missing trie node"}
        return {"jsonrpc": "2.0", "id": answer["id"], "error": error}
    return answer


def test_while_the_node_is_away_jobs_wait_and_are_never_parked(anvil, town, chain, catch_up):
    catch_up.advance()
    seeding.watch_addresses(town.people[:1])
    with FakeNode(saying(b"bad gateway", 502)) as node:
        chain.endpoints.update(url_http=node.url)
        for _ in range(8):
            due_again()
            backfill.run_due(1, kinds=["seed"])
    job = BackfillJob.objects.get()
    assert (job.state, job.attempts, job.error) == ("waiting", 0, "unavailable")
    chain.endpoints.update(url_http=anvil.url)
    due_again()
    backfill.run_due(1, kinds=["seed"])
    assert held(town, 0).value is not None


def test_a_poisoned_job_is_parked_after_five_failures_and_the_others_are_done(
    town, chain, catch_up, monkeypatch
):
    catch_up.advance()
    seeding.watch_addresses(town.people)
    seed, poison = seeding.seed, Address.objects.get(raw=town.people[1])

    def poisoned(chain, addresses, nodes):
        if poison in addresses:
            raise ZeroDivisionError
        seed(chain, addresses, nodes)

    monkeypatch.setattr(seeding, "seed", poisoned)
    for _ in range(5):
        due_again()
        backfill.run_due(5, kinds=["seed"])
    jobs = BackfillJob.objects.filter(kind="seed")
    assert jobs.get(address=poison).state == "parked"
    assert jobs.get(address=poison).error == "ZeroDivisionError"
    assert jobs.filter(state="done").count() == 2


def test_a_thousand_new_addresses_are_read_in_six_questions(anvil, town, chain, catch_up):
    arguments = [encode(["string", "string", "uint8"], [n, n, 18]) for n in ("A", "B", "C")]
    contracts = [
        *town.tokens,
        *(bytes.fromhex(anvil.deploy("DemoToken", a)[2:]) for a in arguments),
    ]
    for contract in contracts:
        Token.objects.create(chain=chain, contract=contract, status=Token.Status.LISTED)
    catch_up.advance()
    others = [number.to_bytes(20, "big") for number in range(10_000, 10_997)]
    seeding.watch_addresses([*town.people, *others])
    with FakeNode(passing_to(anvil.url)) as node:
        chain.endpoints.update(url_http=node.url)
        assert backfill.run_due(1, kinds=["seed"]) == 1_000
    assert node.methods.count("eth_call") == 6
    assert Balance.objects.filter(stale=False).count() == 6_000
    assert held(town, 2, town.tokens[1]).value == 10**6
    assert set(BackfillJob.objects.filter(kind="seed").values_list("state", flat=True)) == {"done"}
    # Transfers and the coin of the past, each its own work.
    assert BackfillJob.objects.filter(kind="history").count() == 2_000


def test_what_became_of_a_reading_is_told_under_a_new_number(town, chain, catch_up):
    town.pay(3)
    catch_up.advance()
    seeding.watch_addresses(town.people[:1])
    backfill.run_due(1, kinds=["seed"])
    before = held(town, 0)
    address = Address.objects.get()
    with valkey.client().pubsub() as heard:
        heard.subscribe(balances_topic(town.people[0]))
        read_job(chain, address, town.head()[0] - 1)
        backfill.run_due(1, kinds=["read"])

        def told():
            message = heard.get_message(ignore_subscribe_messages=True, timeout=0.1)
            return decode(message["data"]) if message else None

        message = eventually(told, "told")
    # A hub drops what has the number of something that it knows.
    assert message.seq > before.version
    assert held(town, 0).value == before.value


def test_a_value_that_the_database_refuses_parks_its_job_and_no_other(
    town, chain, catch_up, monkeypatch
):
    catch_up.advance()
    seeding.watch_addresses(town.people[:1])
    job = read_job(chain, Address.objects.get(), 1, priority=0)
    monkeypatch.setattr(past, "read_at", refused_by_the_database)
    for _ in range(5):
        due_again()
        backfill.run_due(5, kinds=["seed", "read"])
    job.refresh_from_db()
    assert (job.state, job.error) == ("parked", "DataError")
    assert held(town, 0).value is not None


def test_a_turn_that_took_too_long_ends_and_its_jobs_come_back(town, chain, catch_up, monkeypatch):
    catch_up.advance()
    seeding.watch_addresses(town.people)

    def too_long(*args, **facts):
        raise SoftTimeLimitExceeded

    with monkeypatch.context() as patch:
        patch.setattr(seeding, "seed", too_long)
        # First together, then each alone, in case it is to blame.
        for _ in range(2):
            with pytest.raises(SoftTimeLimitExceeded):
                backfill.run_due(5, kinds=["seed"])
            assert BackfillJob.objects.waiting().filter(error="").count() == 3
            due_again()
    assert backfill.run_due(5, kinds=["seed"]) == 3


def refused_by_the_database(*args, **facts):
    with connection.cursor() as cursor:
        cursor.execute("SELECT (10::numeric ^ 90)::numeric(78, 0)")


def test_a_job_that_its_process_died_with_comes_back_when_the_lease_ends(town, chain, catch_up):
    catch_up.advance()
    seeding.watch_addresses(town.people[:1])
    BackfillJob.objects.update(leased_until=timezone.now() + timedelta(minutes=1), attempts=1)
    assert backfill.run_due(1, kinds=["seed"]) == 0
    BackfillJob.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    assert backfill.run_due(1, kinds=["seed"]) == 1
    assert held(town, 0).value is not None


def test_a_refusal_is_a_failure_of_the_cell_and_never_zero(anvil, town, chain, catch_up):
    catch_up.advance()
    seeding.watch_addresses(town.people[:1])

    def refuse(item, answer):
        if item["method"] in ("eth_call", "eth_getBalance"):
            error = {"code": 3, "message": "execution reverted"}
            return {"jsonrpc": "2.0", "id": answer["id"], "error": error}
        return answer

    with FakeNode(passing_to(anvil.url, refuse)) as node:
        chain.endpoints.update(url_http=node.url)
        backfill.run_due(1, kinds=["seed"])
    row = held(town, 0)
    assert row is None or (row.value, row.stale) == (None, True)


def test_a_token_is_asked_once_what_it_is_called(town, chain, catch_up):
    catch_up.advance()
    town.pay(10)
    catch_up.advance()
    assert refresh_metadata(chain, catch_up.nodes) == 2
    symbols = set(Token.objects.values_list("symbol", flat=True))
    assert symbols == {"ETH", "ONE", "TWO"}
    assert refresh_metadata(chain, catch_up.nodes) == 0


def test_nothing_is_written_from_the_nodes_of_a_halted_chain(town, chain, catch_up):
    catch_up.advance()
    seeding.watch_addresses(town.people[:1])
    type(chain).objects.update(state="halted")
    assert backfill.run_due(5, kinds=ALL) == 0
    assert not Balance.objects.exists()
    type(chain).objects.update(state="ok")
    assert backfill.run_due(1, kinds=["seed"]) == 1


def test_a_token_that_was_found_after_a_reading_is_read_by_itself_or_was_not_there_yet(
    anvil, town, chain, catch_up
):
    catch_up.advance()
    seeding.watch_addresses(town.people[:1])
    address = Address.objects.get()
    first = catch_up.advance().number
    anvil.ask("anvil_mine", "0x2")
    catch_up.advance()
    # Nothing is known of any token when block ``first`` is read.
    history.balances_at(address, block=first)
    assert backfill.run_due(1, kinds=["read"]) == 1
    later = bytes.fromhex(
        anvil.deploy("DemoToken", encode(["string", "string", "uint8"], ["X", "X", 18]))[2:]
    )
    for contract in (town.tokens[0], later):
        token, _ = Token.objects.get_or_create(chain=chain, contract=contract)
        Balance.objects.get_or_create(address=address, token=token)

    def told():
        found = history.balances_at(address, block=first)
        return {bytes(each.token.contract): (each.value, each.state, each.reason) for each in found}

    assert told()[town.tokens[0]] == (None, "loading", "reading")
    while backfill.run_due(10, kinds=["read"]):
        due_again()
    after = told()
    real = town.truth(town.people[0], town.tokens[0], first)
    assert after[town.tokens[0]] == (real, "exact", None)
    assert after[later] == (None, "unknown", "before_token")
    assert not BackfillJob.objects.waiting().filter(kind="read").exists()
