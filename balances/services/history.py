"""What an address holds now, and what it held: from the desk's own tables, never from a node.

A value is either inside what was followed, and then told, or it is not known, and then queued to be
read where a node can still say, or unknown with its reason. It is never zero for want of an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection
from django.utils import timezone

from balances.models import (
    Address,
    BackfillJob,
    Balance,
    BalancePoint,
    Block,
    Chain,
    Coverage,
    Token,
)
from balances.services import dating, readings_wanted, valuation
from balances.services.chain_state import LIVE, states_of
from balances.services.holdings import Holding, Reason, State
from foundation.errors import InvalidInput, NotFound

MAX_BLOCK: Final = 2**63 - 1

# One walk along the key for each cell. Open coverage counts inside the follower's unbroken runs
# only, for the block that is asked for as for the point that answers. A reading at that very block
# comes last, and has the last word.
POINTS = """
(SELECT DISTINCT ON (cell.token_id)
       cell.token_id, point.value, point.source, point.kind, cell.complete, false AS here
FROM balances_coverage cell
JOIN balances_token token ON token.id = cell.token_id AND token.chain_id = %(chain)s
CROSS JOIN LATERAL (
    SELECT p.block_number, p.value, p.source, p.kind
    FROM balances_balancepoint p
    WHERE p.chain_id = %(chain)s AND p.address_id = cell.address_id AND p.token_id = cell.token_id
      AND p.block_number BETWEEN cell.from_block AND %(block)s
      AND (cell.to_block IS NOT NULL OR EXISTS (
          SELECT 1 FROM balances_chainspan s WHERE s.chain_id = %(chain)s
          AND p.block_number BETWEEN s.from_block AND s.to_block))
    ORDER BY p.block_number DESC LIMIT 1
) point
WHERE cell.address_id = %(address)s AND cell.from_block <= %(block)s
  AND (cell.to_block >= %(block)s OR cell.to_block IS NULL AND EXISTS (
      SELECT 1 FROM balances_chainspan s WHERE s.chain_id = %(chain)s
      AND %(block)s BETWEEN s.from_block AND s.to_block))
ORDER BY cell.token_id, cell.complete DESC, point.block_number DESC)
UNION ALL
SELECT token_id, value, source, kind, true, true FROM balances_balancepoint
WHERE chain_id = %(chain)s AND address_id = %(address)s AND token_id = ANY(%(tokens)s)
  AND block_number = %(block)s AND source <> 'transfer'
ORDER BY here
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A block of a chain that was asked for, by its number or by a time. Hash and time: if known.

    ``number`` is ``None`` where it is not known which block a time means; ``reason`` then says why,
    or that somebody looks for it.
    """

    chain: Chain
    number: int | None
    hash: bytes | None = None
    ts: datetime | None = None
    reason: Reason = Reason.NOT_COVERED


# --- Now ----------------------------------------------------------------------------------


def current(address: Address, *, chain: Chain | None = None) -> list[Holding]:
    """What the address holds, by chain, the coin of each first. Five queries, whatever it holds."""
    return valuation.value(current_of([address], chain=chain)[address.pk])


def current_of(
    addresses: Sequence[Address], *, chain: Chain | None = None
) -> dict[int, list[Holding]]:
    """The same for many addresses, by their key, without prices."""
    rows: dict[int, list[Balance]] = {address.pk: [] for address in addresses}
    for row in Balance.objects.of(*addresses):
        if chain is None or row.token.chain_id == chain.pk:
            rows[row.address_id].append(row)
    followed = Coverage.objects.filter(address__in=addresses, to_block=None)
    covered = {
        (cell[0], cell[1]): cell[2]
        for cell in followed.values_list("address_id", "token_id", "complete")
    }
    seeds = BackfillJob.objects.waiting().filter(address__in=addresses, kind=BackfillJob.Kind.SEED)
    waits = set(seeds.values_list("address_id", "chain_id"))
    coins = _coins(chain)
    return {
        address.pk: _in_order(
            [
                *(_held(row, covered, waits) for row in rows[address.pk]),
                *_absent(address, coins, rows[address.pk], waits),
            ]
        )
        for address in addresses
    }


def _held(
    row: Balance, covered: dict[tuple[int, int], bool], waits: set[tuple[int, int]]
) -> Holding:
    if row.value is None:
        waiting = (row.address_id, row.token.chain_id) in waits
        state = State.LOADING if waiting or row.stale else State.UNKNOWN
        why = Reason.SEEDING if waiting else Reason.REREADING if row.stale else Reason.FAILED
        return Holding(row.token, None, state, why, version=row.version)
    state, reason = _certainty(row.token, covered.get((row.address_id, row.token_id), False))
    if row.stale:
        state, reason = State.SAMPLED, Reason.REREADING
    elif row.block_number == row.token.chain.head_number:
        state, reason = State.EXACT, None
    return Holding(
        token=row.token,
        value=row.value,
        state=state,
        reason=reason,
        source="stored",
        block_number=row.block_number,
        block_hash=_bytes(row.block_hash),
        at=row.at,
        kind=state,
        version=row.version,
    )


def _absent(
    address: Address, coins: Iterable[Token], rows: Iterable[Balance], waits: set[tuple[int, int]]
) -> list[Holding]:
    """The coins of chains where nothing was read yet."""
    held = {row.token_id for row in rows}
    return [
        Holding(coin, None, State.LOADING, Reason.SEEDING)
        if (address.pk, coin.chain_id) in waits
        else Holding(coin, None, State.UNKNOWN, Reason.NOT_COVERED)
        for coin in coins
        if coin.pk not in held
    ]


def _coins(chain: Chain | None) -> list[Token]:
    coins = Token.objects.native().filter(chain__enabled=True).select_related("chain")
    return list(coins if chain is None else coins.filter(chain=chain))


def _in_order(found: list[Holding]) -> list[Holding]:
    return sorted(found, key=lambda h: (h.token.chain_id, bytes(h.token.contract)))


# --- Then ---------------------------------------------------------------------------------


def balances_at(
    address: Address,
    *,
    block: int | None = None,
    at: datetime | None = None,
    chain: Chain | None = None,
    by: int | None = None,
) -> list[Holding]:
    """What the address held at a block of one chain, or at a time; without either, what it holds.

    What is not known and can still be read is queued, and told as ``loading``; for ``by``, the key
    of a user, only so often an hour. Raises ``InvalidInput`` for a block or a time that cannot be,
    ``NotFound`` for one that is not there yet or lies before the first block.
    """
    if block is not None and at is not None:
        problem = "Give a block or a time, not both."
        raise InvalidInput(problem, fields={"at": [problem]})
    if block is None and at is None:
        return current(address, chain=chain)
    places = [_place_of_block(block, chain)] if block is not None else _places_at(at, chain, by)
    found: list[Holding] = []
    for place in places:
        found += valuation.value(_held_at(address, place, by), moment=at or place.ts)
    return _in_order(found)


def _place_of_block(block: int, chain: Chain | None) -> Place:
    if not 0 <= block <= MAX_BLOCK:
        problem = f"A block's number lies between 0 and {MAX_BLOCK}."
        raise InvalidInput(problem, code="bad_block", fields={"block": [problem]})
    chain = chain or only_chain()
    if chain.head_number is None or block > chain.head_number:
        known = "none yet" if chain.head_number is None else str(chain.head_number)
        problem = f"{chain.name} has no block {block} yet. The newest known here: {known}."
        raise NotFound(problem, code="block_in_future", fields={"block": [problem]})
    row = Block.objects.filter(chain=chain, number=block).first()
    return _place(chain, row) if row else Place(chain, block)


def only_chain() -> Chain:
    """The chain that need not be named, since there is no other. Raises as ``balances_at``."""
    chains = list(Chain.objects.followed())
    if not chains:
        raise NotFound("No chain is followed here.", code="no_chain")
    if len(chains) != 1:
        problem = "Name the chain: " + ", ".join(f"{c.pk} ({c.name})" for c in chains) + "."
        raise InvalidInput(problem, code="chain_needed", fields={"chain": [problem]})
    return chains[0]


def _places_at(moment: datetime | None, chain: Chain | None, by: int | None) -> list[Place]:
    assert moment is not None
    if moment > timezone.now():
        problem = "This time has not come yet."
        raise InvalidInput(problem, code="time_in_future", fields={"at": [problem]})
    chains = [chain] if chain else list(Chain.objects.followed())
    found = [place for chain in chains if (place := _place_at(chain, moment, by)) is not None]
    if chains and not found:
        problem = "No chain was there yet." if chain is None else f"{chain.name} began later."
        raise NotFound(problem, code="before_genesis", fields={"at": [problem]})
    return found


def _place_at(chain: Chain, moment: datetime, by: int | None) -> Place | None:
    """The last block until ``moment``; ``None`` before the chain's first block.

    Without a number where blocks around that time are missing here, until they were looked for or
    have come.
    """
    row = Block.objects.made_by(chain, moment).first()
    if row is None and Block.objects.filter(chain=chain, number=0).exists():
        return None
    if row is not None and row.number == chain.head_number:
        # Whoever stands still cannot say that no other block was made until then.
        followed = moment <= row.ts or states_of([chain])[0].name == LIVE
        return _place(chain, row) if followed else Place(chain, None, reason=Reason.CHAIN_BEHIND)
    if row is not None and Block.objects.filter(chain=chain, number=row.number + 1).exists():
        return _place(chain, row)
    number = dating.found(chain, moment)
    if number == dating.BEFORE_GENESIS:
        return None
    if number is not None:
        return Place(chain, number)
    return Place(chain, None, reason=_look_for(chain, moment, by))


def _look_for(chain: Chain, moment: datetime, by: int | None) -> Reason:
    if not dating.is_wanted(chain, moment) and not readings_wanted.may_ask(by):
        return Reason.BUSY
    return Reason.LOCATING if dating.want(chain, moment) else Reason.NOT_COVERED


def _place(chain: Chain, row: Block) -> Place:
    return Place(chain, row.number, bytes(row.hash), row.ts)


def _held_at(address: Address, place: Place, by: int | None) -> list[Holding]:
    chain = place.chain
    cells = Token.objects.filter(chain=chain, pk__in=_tokens_of(address)) | (
        Token.objects.native().filter(chain=chain)
    )
    tokens = {token.pk: token for token in cells.select_related("chain").distinct()}
    if place.number is None:
        state = State.LOADING if place.reason == Reason.LOCATING else State.UNKNOWN
        return [Holding(token, None, state, place.reason) for token in tokens.values()]
    known = _known_at(address, place, tokens)
    missing = [token for token in tokens.values() if token.pk not in known]
    return [*known.values(), *_to_be_read(address, place, missing, by)]


def _tokens_of(address: Address) -> Any:
    return Balance.objects.filter(address=address).values("token_id")


def _known_at(address: Address, place: Place, tokens: dict[int, Token]) -> dict[int, Holding]:
    assert place.number is not None
    facts: dict[str, Any] = {
        "chain": place.chain.pk,
        "address": address.pk,
        "tokens": list(tokens),
        "block": place.number,
    }
    with connection.cursor() as cursor:
        cursor.execute(POINTS, facts)
        rows = cursor.fetchall()
    known = {}
    for token_id, value, source, kind, complete, here in rows:
        token = tokens.get(token_id)
        if token is not None:
            sure = complete and kind == BalancePoint.Kind.EXACT
            # A reading at this very block is sure, and needs no coverage around it.
            certainty = (State.EXACT, None) if here else _certainty(token, sure)
            known[token_id] = _told(place, int(value), source, token, *certainty)
    return known


def _told(
    place: Place, value: int, source: str, token: Token, state: State, reason: Reason | None
) -> Holding:
    return Holding(
        token=token,
        value=value,
        state=state,
        reason=reason,
        source=source,
        block_number=place.number,
        block_hash=place.hash,
        at=place.ts,
        kind=state,
    )


def _certainty(token: Token, complete: bool) -> tuple[State, Reason | None]:
    if token.bugged_events:
        return State.SAMPLED, Reason.TOKEN_LIES
    return (State.EXACT, None) if complete else (State.SAMPLED, Reason.SAMPLED)


# --- What nobody knows yet --------------------------------------------------------------------


def _to_be_read(
    address: Address, place: Place, tokens: list[Token], by: int | None
) -> list[Holding]:
    """Queue what a node can still say; the rest is unknown, with its reason."""
    if not tokens:
        return []
    assert place.number is not None
    chances = readings_wanted.chances(address, place.chain, place.number, tokens, by=by)
    return [
        Holding(
            token=token,
            value=None,
            state=chances[token.pk][0],
            reason=chances[token.pk][1],
            block_number=place.number,
            block_hash=place.hash,
            at=place.ts,
        )
        for token in tokens
    ]


def _bytes(value: Any) -> bytes | None:
    return None if value is None else bytes(value)
