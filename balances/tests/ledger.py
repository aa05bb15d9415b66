"""What tests of balances need: chains, blocks, addresses and what they hold, without a node."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from django.utils import timezone

from balances.constants import NATIVE, ZERO_ADDRESS, alive_key
from balances.models import (
    Address,
    Balance,
    BalancePoint,
    Block,
    Chain,
    ChainSpan,
    Coverage,
    Token,
    Transfer,
    Tx,
)
from foundation import valkey

LOCAL = 31337
# Block 0 of every chain that is made here; each later block is as many steps after it.
GENESIS = datetime(2026, 1, 1, tzinfo=UTC)
STEP = timedelta(seconds=12)
ETHER = 10**18

_versions = count(1)


def raw(number: int) -> bytes:
    """The address of that number: ``raw(1)`` ends in 01."""
    return number.to_bytes(20, "big")


def text(number: int) -> str:
    """The same as people write it; without letters, so that it has no checksum."""
    return f"0x{number:040d}"


def block_hash(chain_id: int, number: int) -> bytes:
    return chain_id.to_bytes(8, "big") + b"\xbb" * 16 + number.to_bytes(8, "big")


def tx_hash(chain_id: int, block: int, place: int) -> bytes:
    return b"\xcc" * 8 + chain_id.to_bytes(8, "big") + (block * 1000 + place).to_bytes(16, "big")


def at(number: int) -> datetime:
    """When block ``number`` was made."""
    return GENESIS + number * STEP


def make_chain(id: int = LOCAL, *, head: int | None = None, **given: Any) -> Chain:
    """A chain with its native coin. With ``head``: blocks 0 to ``head``, followed without a gap and
    still."""
    facts: dict[str, Any] = {"name": f"Chain {id}", "state": Chain.State.OK, "reorg_depth": 64}
    chain = Chain.objects.create(id=id, **facts | given)
    facts = {"symbol": chain.native_symbol, "name": chain.native_symbol, "status": "listed"}
    make_token(chain, NATIVE, decimals=chain.native_decimals, price_symbol="ETH", **facts)
    if head is not None:
        make_blocks(chain, range(head + 1))
        span(chain, 0, head)
        valkey.client().set(alive_key(chain.pk), 1)
    return chain


def make_blocks(chain: Chain, numbers: Iterable[int], **given: Any) -> list[Block]:
    """Blocks of those numbers; the highest becomes the chain's head, seen just now."""
    blocks = Block.objects.bulk_create(
        Block(
            chain=chain,
            number=number,
            hash=block_hash(chain.id, number),
            parent_hash=block_hash(chain.id, number - 1) if number else bytes(32),
            **{"ts": at(number), "tx_count": 0, "gas_used": 21_000, "miner": ZERO_ADDRESS} | given,
        )
        for number in numbers
    )
    newest = max(blocks, key=lambda block: block.number)
    chain.head_number, chain.head_hash, chain.head_ts = newest.number, newest.hash, newest.ts
    chain.head_seen_at = timezone.now()
    chain.save()
    return blocks


def span(chain: Chain, first: int, last: int) -> ChainSpan:
    return ChainSpan.objects.create(chain=chain, from_block=first, to_block=last)


def native(chain: Chain) -> Token:
    return Token.objects.get(chain=chain, contract=NATIVE)


def make_token(chain: Chain, contract: bytes | int = 0xC0, **given: Any) -> Token:
    """A token that is listed and has no price; a number stands for the address of that number."""
    address = raw(contract) if isinstance(contract, int) else contract
    facts = {"symbol": "TOK", "name": "Token", "decimals": 18, "status": Token.Status.LISTED}
    return Token.objects.create(chain=chain, contract=address, **facts | given)


def make_address(number: int = 1) -> Address:
    return Address.objects.get_or_create(raw=raw(number))[0]


def hold(address: Address, token: Token, value: int | None, **given: Any) -> Balance:
    """What pages show, as of the chain's head; ``None`` was never read."""
    chain = token.chain
    read: dict[str, Any] = {
        "block_number": chain.head_number,
        "block_hash": chain.head_hash,
        "at": timezone.now(),
    }
    facts = {} if value is None else read
    return Balance.objects.create(
        address=address, token=token, value=value, version=next(_versions), **facts | given
    )


def point(address: Address, token: Token, number: int, value: int, **given: Any) -> BalancePoint:
    facts: dict[str, Any] = {"source": BalancePoint.Source.MULTICALL}
    return BalancePoint.objects.create(
        chain=token.chain,
        address=address,
        token=token,
        block_number=number,
        block_hash=block_hash(token.chain_id, number),
        value=value,
        **facts | given,
    )


def cover(
    address: Address, token: Token, first: int = 0, last: int | None = None, complete: bool = True
) -> Coverage:
    return Coverage.objects.create(
        address=address, token=token, from_block=first, to_block=last, complete=complete
    )


def make_history(address: Address, token: Token, values: dict[int, int]) -> Balance:
    """Covered from the first block of ``values`` (block to value); the last value is held now."""
    cover(address, token, min(values))
    for number, value in values.items():
        point(address, token, number, value)
    newest = max(values)
    read = {"block_number": newest, "block_hash": block_hash(token.chain_id, newest)}
    return hold(address, token, values[newest], **read)


def make_tx(
    chain: Chain, number: int, sender: int, recipient: int | None, value: int, **given: Any
) -> Tx:
    """A transaction at the end of block ``number``, which must exist."""
    block = Block.objects.get(chain=chain, number=number)
    place = Tx.objects.filter(block=block).count()
    facts = {"hash": tx_hash(chain.id, number, place), "idx": place, "nonce": 0, "ok": True}
    return Tx.objects.create(
        chain=chain,
        block=block,
        block_number=number,
        sender=raw(sender),
        recipient=None if recipient is None else raw(recipient),
        value=value,
        **facts | given,
    )


def make_transfer(
    token: Token, number: int, sender: int, recipient: int, value: int, **given: Any
) -> Transfer:
    """A transfer of ``token`` in block ``number``, which must exist."""
    block = Block.objects.get(chain=token.chain, number=number)
    place = Transfer.objects.filter(block=block).count()
    facts = {"log_index": place, "tx_hash": tx_hash(token.chain_id, number, 500 + place)}
    return Transfer.objects.create(
        chain=token.chain,
        block=block,
        block_number=number,
        token=token,
        sender=raw(sender),
        recipient=raw(recipient),
        value=value,
        **facts | given,
    )
