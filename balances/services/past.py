"""What an address held at one block of the past, read from a node that still has that state."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection, transaction

from balances.models import Address, Balance, BalancePoint, Block, Chain, Token
from balances.services import cells, publishing, seeding
from balances.services.blocks import RECENT
from balances.services.cells import Cell, Place, Reading
from balances.services.tokens import native_of
from foundation.evm import blocks as wire
from foundation.evm import multicall
from foundation.evm.node import NodeError
from foundation.evm.nodes import Nodes
from foundation.evm.quantities import written

ARCHIVE = BalancePoint.Source.ARCHIVE


def read_at(
    chain: Chain, address: Address, number: int, nodes: Nodes, *, token: Token | None = None
) -> bool:
    """Read one token, or all that are known of the address, at a block of the past.

    False where nothing could be read. Raises ``NodeError``; of kind ``no_archive`` where no
    endpoint has the state.
    """
    found = Block.objects.filter(chain=chain, number=number).first()
    block_hash = bytes(found.hash) if found else hash_of(nodes, number)
    asked = _cells(chain, address, token)
    old = (chain.head_number or 0) - number > RECENT
    values = multicall.balances(
        nodes,
        block_hash,
        [(cell.raw, cell.contract) for cell in asked],
        multicall=seeding.multicall_at(chain, number),
        block_number=number,
        archive=old,
    )
    readings = [Reading(c, v, ARCHIVE) for c, v in zip(asked, values, strict=True) if v is not None]
    with transaction.atomic():
        chain = Chain.objects.select_for_update(no_key=True).get(pk=chain.pk)
        ours = Block.objects.filter(chain=chain, number=number).first()
        if ours is not None and bytes(ours.hash) != block_hash:
            raise NodeError("orphan", "the block was taken back meanwhile")
        place = Place(chain.pk, number, block_hash)
        _cover_one(place, readings)
    return bool(readings)


def is_before(chain: Chain, token: Token, number: int, nodes: Nodes) -> bool:
    """Whether the token's contract was not there yet at a block. Raises ``NodeError``."""
    if token.is_native:
        return False
    old = (chain.head_number or 0) - number > RECENT
    asked = [written(bytes(token.contract)), hex(number)]
    code = nodes.call("eth_getCode", *asked, needs=f"archive:{number}" if old else "")
    return bool(code == "0x")


def hash_of(nodes: Nodes, number: int) -> bytes:
    """Raises ``NodeError``, of kind ``orphan`` where there is no such block yet."""
    header = wire.fetch_header(nodes, number)
    if header is None:
        raise NodeError("orphan", "no such block yet")
    return header.hash


def _cells(chain: Chain, address: Address, token: Token | None) -> list[Cell]:
    raw = bytes(address.raw)
    if token is not None:
        wanted = [token]
    else:
        held = Balance.objects.filter(address=address, token__chain=chain).select_related("token")
        wanted = [native_of(chain), *(row.token for row in held if not row.token.is_native)]
    return [Cell(address.pk, t.pk, raw, bytes(t.contract), t.bugged_events) for t in wanted]


def _cover_one(place: Place, readings: Sequence[Reading]) -> None:
    """The value is exact at this one block, whatever was before and after."""
    exact = [Reading(r.cell._replace(unreliable=False), r.value, r.source) for r in readings]
    cells.store_points(place, exact)
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO balances_coverage (address_id, token_id, from_block, to_block, complete)
            SELECT %s, %s, %s, %s, true WHERE NOT EXISTS (
                SELECT 1 FROM balances_coverage WHERE address_id = %s AND token_id = %s
                AND from_block <= %s AND (to_block IS NULL OR to_block >= %s)
            ) ON CONFLICT DO NOTHING
            """,
            [
                (c.address_id, c.token_id, n, n, c.address_id, c.token_id, n, n)
                for c, n in ((reading.cell, place.number) for reading in exact)
            ],
        )


def tell(chain: Chain, address: Address) -> None:
    """More is known of the address's past than before, or that nobody can know it: open pages ask
    again. Its values are the same, under a new number: one that was heard already is dropped."""
    sql = """
        UPDATE balances_balance AS b SET version = nextval('balances_push_seq')
        FROM balances_token t
        WHERE t.id = b.token_id AND t.chain_id = %s AND b.address_id = %s RETURNING b.id
    """
    with transaction.atomic():
        # As all who write balances: without it, two could wait for each other.
        Chain.objects.select_for_update(no_key=True).get(pk=chain.pk)
        with connection.cursor() as cursor:
            cursor.execute(sql, [chain.pk, address.pk])
            publishing.publish_cells([pk for (pk,) in cursor.fetchall()])
