"""Transactions and token transfers: everybody's in the newest blocks, the watched for ever."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F

from balances.models.chains import Block, Chain
from balances.models.fields import Uint256Field
from balances.models.tokens import Token
from balances.querysets import TransferQuerySet, TxQuerySet


class Tx(models.Model):
    """``recipient`` is null where the transaction makes a contract; ``fee`` is in wei."""

    chain = models.ForeignKey(Chain, on_delete=models.PROTECT, related_name="+", db_index=False)
    block = models.ForeignKey(Block, on_delete=models.CASCADE, related_name="txs", db_index=False)
    block_number = models.BigIntegerField()
    idx = models.PositiveIntegerField()
    hash = models.BinaryField(max_length=32)
    sender = models.BinaryField(max_length=20)
    recipient = models.BinaryField(max_length=20, null=True)
    value = Uint256Field()
    nonce = models.BigIntegerField()
    fee = Uint256Field(null=True)
    ok = models.BooleanField(null=True)

    objects: ClassVar[TxQuerySet] = TxQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [models.UniqueConstraint(fields=["block", "idx"], name="tx_place")]
        indexes = [
            models.Index(fields=["hash"], name="tx_hash"),
            models.Index(F("sender"), F("block_number").desc(), name="tx_sender"),
            models.Index(F("recipient"), F("block_number").desc(), name="tx_recipient"),
            models.Index(F("chain"), F("block_number").desc(), F("idx").desc(), name="tx_newest"),
        ]

    def __str__(self) -> str:
        return f"0x{bytes(self.hash).hex()}"


class Transfer(models.Model):
    """One ``Transfer`` event of an ERC-20 contract; ``value`` is in the token's base units."""

    chain = models.ForeignKey(Chain, on_delete=models.PROTECT, related_name="+", db_index=False)
    block = models.ForeignKey(
        Block, on_delete=models.CASCADE, related_name="transfers", db_index=False
    )
    block_number = models.BigIntegerField()
    log_index = models.PositiveIntegerField()
    token = models.ForeignKey(Token, on_delete=models.PROTECT, related_name="+")
    sender = models.BinaryField(max_length=20)
    recipient = models.BinaryField(max_length=20)
    value = Uint256Field()
    tx_hash = models.BinaryField(max_length=32)

    objects: ClassVar[TransferQuerySet] = TransferQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [models.UniqueConstraint(fields=["block", "log_index"], name="log_place")]
        indexes = [
            models.Index(F("sender"), F("block_number").desc(), name="transfer_sender"),
            models.Index(F("recipient"), F("block_number").desc(), name="transfer_recipient"),
            models.Index(
                F("chain"), F("block_number").desc(), F("log_index").desc(), name="transfer_newest"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.block_number}.{self.log_index}"
