"""Addresses that begin to be followed, and cells that have to be read at the tip.

An address is stored and ``watch_seq`` moved under the lock of every chain, so each block is applied
either before the address was known, and then its first reading is newer, or with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from balances.constants import NATIVE
from balances.models import Address, BackfillJob, Balance, Block, Chain, ChainSpan, Token
from balances.services import cells, publishing
from balances.services.cells import Cell, Place
from balances.services.tokens import native_of
from foundation.evm.node import NodeError
from foundation.evm.nodes import Nodes

SEED = BackfillJob.Kind.SEED
# Tokens that a new address is asked for; all others are found by their transfers.
ASKED_TOKENS = 500
ATTEMPTS = 5
PER_PASS = 1000
# Cells of new addresses that are asked for together, and how many are stored under one lock: the
# follower waits for it.
SEEDED_CELLS = 6000
STORED_AT_ONCE = 1000


class NoTip(Exception):
    """The chain has not been followed yet, or its tip moves away under every reading."""


def watch_addresses(raw: Iterable[bytes]) -> None:
    """Follow these addresses (20 bytes each) from now on, on every enabled chain.

    Those that are followed already cost nothing. Their first readings are jobs.
    """
    wanted = sorted(set(raw))
    with transaction.atomic():
        known = {
            bytes(found)
            for found in Address.objects.filter(raw__in=wanted).values_list("raw", flat=True)
        }
        new = [address for address in wanted if address not in known]
        if not new:
            return
        # In one order, so that two who add addresses never wait for each other.
        chains = list(
            Chain.objects.select_for_update(no_key=True).filter(enabled=True).order_by("pk")
        )
        Address.objects.bulk_create(
            [Address(raw=address) for address in new], ignore_conflicts=True
        )
        rows = list(Address.objects.filter(raw__in=new).values_list("pk", flat=True))
        for chain in chains:
            chain.watch_seq += 1
            chain.save(update_fields=["watch_seq"])
            _add_jobs(chain, rows)


@transaction.atomic
def follow(raw: Iterable[bytes]) -> list[Address]:
    """The same, and the rows of the addresses, which stay until this transaction has ended.

    They are locked in one order, so that whoever forgets addresses either leaves them or is done
    with them, and then they are followed anew.
    """
    wanted = set(raw)
    while True:
        watch_addresses(wanted)
        known = Address.objects.filter(raw__in=wanted).order_by("pk")
        rows = list(known.select_for_update(no_key=True))
        if len(rows) == len(wanted):
            return rows


def seed_all(chain: Chain) -> None:
    """Ask for the first readings of every address there is, on a chain that is new to us."""
    sql = """
        INSERT INTO balances_backfilljob (chain_id, kind, address_id, state, priority, attempts,
            error, added_at)
        SELECT %s, 'seed', id, 'waiting', 10, 0, '', now() FROM balances_address
        ON CONFLICT DO NOTHING
    """
    with connection.cursor() as cursor:
        cursor.execute(sql, [chain.pk])


def seed_missing(chain: Chain) -> None:
    """Ask for the first readings of addresses that were added while the chain was switched off."""
    sql = """
        INSERT INTO balances_backfilljob (chain_id, kind, address_id, state, priority, attempts,
            error, added_at)
        SELECT %(chain)s, 'seed', a.id, 'waiting', 10, 0, '', now() FROM balances_address a
        WHERE NOT EXISTS (
            SELECT FROM balances_balance b WHERE b.address_id = a.id AND b.token_id = %(coin)s)
        ON CONFLICT DO NOTHING
    """
    if chain.head_number is None:
        # Its first block asks for all of them.
        return
    with connection.cursor() as cursor:
        cursor.execute(sql, {"chain": chain.pk, "coin": native_of(chain).pk})


def seed(chain: Chain, addresses: Sequence[Address], nodes: Nodes) -> None:
    """Read what the addresses hold at the tip: the coin, listed tokens, and what others hold.

    A question for each 1,000 cells, whosever they are. Tokens that an address does not hold leave
    no row, unless they are listed. Raises ``NoTip`` and ``NodeError``.
    """
    assets = [native_of(chain), *_likely_tokens(chain)]
    asked = [
        Cell(address.pk, token.pk, bytes(address.raw), bytes(token.contract), token.bugged_events)
        for address in addresses
        for token in assets
    ]
    kept = {token.pk for token in assets if token.status == Token.Status.LISTED}
    read_at_tip(chain.pk, nodes, asked, keep_zero=kept | {assets[0].pk})


def seeds_at_once(chain: Chain) -> int:
    """How many addresses are read together: as many as fill a few questions."""
    return max(SEEDED_CELLS // (1 + len(_likely_tokens(chain))), 1)


def reread_stale(chain_id: int, nodes: Nodes) -> int:
    """Read cells in doubt again at the tip, at most 1,000; return how many were read.

    Those that failed before come last and ever more seldom, so that contracts which never answer
    keep no others from being asked. Raises ``NoTip`` and ``NodeError``.
    """
    due = Q(next_try=None) | Q(next_try__lte=timezone.now())
    stale = Balance.objects.filter(due, token__chain=chain_id, stale=True)
    rows = list(stale.select_related("address", "token").order_by("tries", "pk")[:PER_PASS])
    if rows:
        read_at_tip(chain_id, nodes, [cell_of(row) for row in rows])
    return len(rows)


def cell_of(row: Balance) -> Cell:
    token = row.token
    raw, contract = bytes(row.address.raw), bytes(token.contract)
    return Cell(row.address_id, token.pk, raw, contract, token.bugged_events)


def read_at_tip(
    chain_id: int, nodes: Nodes, asked: Sequence[Cell], *, keep_zero: set[int] | None = None
) -> None:
    """Read and store cells of addresses that are followed already.

    The tip may move on meanwhile: later blocks know these cells. It only must not be taken back.
    ``keep_zero``: tokens of which a zero is worth a row; all of them when not given. Raises
    ``NoTip`` and ``NodeError``.
    """
    for _ in range(ATTEMPTS):
        chain = Chain.objects.get(pk=chain_id)
        if chain.head_number is None or chain.head_hash is None:
            raise NoTip(f"{chain} has no block yet")
        place = Place(chain_id, chain.head_number, bytes(chain.head_hash))
        try:
            readings = cells.read(
                nodes,
                place.hash,
                asked,
                multicall_address=multicall_at(chain, place.number),
                number=place.number,
            )
        except NodeError as problem:
            if problem.kind != "orphan":
                raise
            continue
        if keep_zero is not None:
            readings = [r for r in readings if r.value or r.cell.token_id in keep_zero]
        parts = _parts(readings, STORED_AT_ONCE)
        if all(_stored(place, part) for part in parts):
            return
    raise NoTip("the tip moved away under every reading")


def multicall_at(chain: Chain, number: int) -> bytes | None:
    """Where Multicall3 stood at that block, if it did."""
    if chain.multicall_address is None or number < chain.multicall_from_block:
        return None
    return bytes(chain.multicall_address)


def _stored(place: Place, readings: Sequence[cells.Reading]) -> bool:
    """False if the block was taken back, or if blocks are missing between it and the tip: nobody
    knows what those moved. What a block above it moved unread is left out."""
    with transaction.atomic():
        chain = Chain.objects.select_for_update(no_key=True).get(pk=place.chain_id)
        if not Block.objects.filter(chain=chain, hash=place.hash).exists():
            return False
        head = chain.head_number or 0
        if head != place.number:
            runs = ChainSpan.objects.filter(chain=chain, to_block=head)
            if not runs.filter(from_block__lte=place.number).exists():
                return False
            moved = cells.moved_since(place, [reading.cell for reading in readings])
            readings = [r for r in readings if (r.cell.address_id, r.cell.token_id) not in moved]
        publishing.publish_cells(cells.store(place, readings, touched=False))
    return True


def _parts(readings: Sequence[cells.Reading], size: int) -> Iterator[Sequence[cells.Reading]]:
    return (readings[first : first + size] for first in range(0, len(readings), size))


def _add_jobs(chain: Chain, addresses: Iterable[int]) -> None:
    jobs = [BackfillJob(chain=chain, kind=SEED, address_id=pk) for pk in addresses]
    BackfillJob.objects.bulk_create(jobs, ignore_conflicts=True)


def _likely_tokens(chain: Chain) -> list[Token]:
    """Listed ones first, then what somebody holds, then the newest."""
    doubtful = (Token.Status.SPAM, Token.Status.HIDDEN)
    others = Token.objects.filter(chain=chain).exclude(contract=NATIVE)
    listed = list(others.filter(status=Token.Status.LISTED).order_by("pk")[:ASKED_TOKENS])
    held = Balance.objects.filter(token__chain=chain, value__gt=0).values("token")
    more = others.filter(status=Token.Status.UNKNOWN, pk__in=held).exclude(status__in=doubtful)
    room = ASKED_TOKENS - len(listed)
    return [*listed, *more.order_by("pk")[:room]]
