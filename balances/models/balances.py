"""What an address holds now, what it held, and where that record may be trusted."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from balances.models.addresses import Address
from balances.models.chains import Chain
from balances.models.fields import Uint256Field
from balances.models.tokens import Token
from balances.querysets import BackfillJobQuerySet, BalancePointQuerySet, BalanceQuerySet


class BalancePoint(models.Model):
    """The balance from ``block_number`` on, until the next point. Written only on change."""

    class Source(models.TextChoices):
        MULTICALL = "multicall"
        ARCHIVE = "archive"
        TRACE = "trace"
        TRANSFER = "transfer"

    class Kind(models.TextChoices):
        EXACT = "exact"
        # Read now and then: changes in between may have been missed.
        SAMPLED = "sampled"

    chain = models.ForeignKey(Chain, on_delete=models.PROTECT, related_name="+", db_index=False)
    address = models.ForeignKey(
        Address, on_delete=models.CASCADE, related_name="points", db_index=False
    )
    token = models.ForeignKey(Token, on_delete=models.PROTECT, related_name="+", db_index=False)
    block_number = models.BigIntegerField()
    block_hash = models.BinaryField(max_length=32)
    value = Uint256Field()
    source = models.CharField(max_length=9, choices=Source.choices)
    kind = models.CharField(max_length=7, choices=Kind.choices, default=Kind.EXACT)

    objects: ClassVar[BalancePointQuerySet] = BalancePointQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["chain", "address", "token", "block_number"], name="point_once"
            ),
            models.CheckConstraint(condition=Q(value__gte=0), name="point_positive"),
        ]
        # For the rollback, which would otherwise read the whole table.
        indexes = [models.Index(fields=["chain", "block_number"], name="point_block")]

    def __str__(self) -> str:
        return f"{self.address_id} {self.token_id} {self.block_number}"


class Balance(models.Model):
    """What pages read. ``value`` is null while it was never read, and after a reorg that took the
    only reading: unknown is never zero."""

    address = models.ForeignKey(
        Address, on_delete=models.CASCADE, related_name="balances", db_index=False
    )
    token = models.ForeignKey(Token, on_delete=models.PROTECT, related_name="+")
    value = Uint256Field(null=True)
    block_number = models.BigIntegerField(null=True)
    block_hash = models.BinaryField(max_length=32, null=True)
    # When the node gave the value, and whether it has to be asked again.
    at = models.DateTimeField(null=True)
    stale = models.BooleanField(default=False)
    # How often in a row no node said a value, and not before when it is asked again.
    tries = models.PositiveSmallIntegerField(default=0, db_default=0)
    next_try = models.DateTimeField(null=True)
    # The newest block that moved it while no node said to what: older readings are out of date.
    unread_block = models.BigIntegerField(null=True)
    # Drawn from the sequence ``balances_push_seq`` on every change: the order of pushes.
    version = models.PositiveBigIntegerField(default=0)

    objects: ClassVar[BalanceQuerySet] = BalanceQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["address", "token"], name="balance_once"),
            models.CheckConstraint(
                condition=Q(value__isnull=True) | Q(value__gte=0), name="balance_positive"
            ),
        ]
        indexes = [
            # In the order in which they are read again.
            models.Index(F("tries"), F("id"), name="balance_in_doubt", condition=Q(stale=True)),
            # For the rollback: what was read above a block.
            models.Index(F("token"), F("block_number"), name="balance_block"),
        ]

    def __str__(self) -> str:
        return f"{self.address_id} {self.token_id}"


class Coverage(models.Model):
    """Where the points of a cell tell everything. ``to_block`` null: as far as the follower's
    unbroken run reaches. ``complete`` is false where changes may have cancelled out unseen."""

    address = models.ForeignKey(
        Address, on_delete=models.CASCADE, related_name="coverage", db_index=False
    )
    token = models.ForeignKey(Token, on_delete=models.CASCADE, related_name="+")
    from_block = models.BigIntegerField()
    to_block = models.BigIntegerField(null=True)
    complete = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["address", "token", "from_block"], name="coverage_once")
        ]
        # For the rollback, which cuts what reaches above a block.
        indexes = [
            models.Index(F("token"), F("from_block"), name="coverage_from"),
            models.Index(F("token"), F("to_block"), name="coverage_to"),
        ]

    def __str__(self) -> str:
        return f"{self.address_id} {self.token_id} {self.from_block}-{self.to_block or ''}"


class BackfillJob(models.Model):
    """Work for later; the row is the queue. Without address and token: a hole in the blocks."""

    class Kind(models.TextChoices):
        BLOCKS = "blocks"
        # All that an address holds, when it is seen for the first time.
        SEED = "seed"
        HISTORY = "history"
        # One reading at a block that somebody asked for: ``from_block`` = ``to_block``.
        READ = "read"

    class State(models.TextChoices):
        WAITING = "waiting"
        DONE = "done"
        # Failed too often; kept with its error, and the queue goes on.
        PARKED = "parked"

    chain = models.ForeignKey(Chain, on_delete=models.CASCADE, related_name="jobs")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    address = models.ForeignKey(Address, on_delete=models.CASCADE, null=True)
    token = models.ForeignKey(Token, on_delete=models.CASCADE, null=True)
    from_block = models.BigIntegerField(null=True)
    to_block = models.BigIntegerField(null=True)
    cursor = models.BigIntegerField(null=True)
    # What the filled part of a hole lacks: "values" that no node had, or "traces" of the coin.
    lacks = models.CharField(max_length=6, blank=True, default="", db_default="")
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    priority = models.PositiveSmallIntegerField(default=10, help_text="Opened pages come first.")
    leased_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    error = models.CharField(max_length=200, blank=True)
    added_at = models.DateTimeField(auto_now_add=True)
    done_at = models.DateTimeField(null=True)

    objects: ClassVar[BackfillJobQuerySet] = BackfillJobQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["chain", "kind", "address", "token", "from_block", "to_block"],
                name="job_once",
                condition=Q(state="waiting"),
                nulls_distinct=False,
            )
        ]
        indexes = [
            models.Index(F("priority"), F("id"), name="job_queue", condition=Q(state="waiting"))
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.chain_id} {self.state}"
