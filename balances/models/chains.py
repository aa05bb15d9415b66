"""Chains, the nodes they are read from, and their canonical blocks."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from balances.querysets import BlockQuerySet, ChainQuerySet


class Chain(models.Model):
    """One chain, by its EIP-155 id. ``head_*`` is the last block that was applied here."""

    class State(models.TextChoices):
        OK = "ok"
        LAGGING = "lagging"
        DOWN = "down"
        # Stopped for a person: another chain behind the address, or a reorg beyond the limit.
        HALTED = "halted"

    id = models.PositiveBigIntegerField(primary_key=True)
    name = models.CharField(max_length=60)
    native_symbol = models.CharField(max_length=16, default="ETH")
    native_decimals = models.PositiveSmallIntegerField(default=18)
    block_time_ms = models.PositiveIntegerField(default=12_000)
    reorg_depth = models.PositiveIntegerField(default=64)
    explorer_url = models.URLField(blank=True, help_text="For links: https://etherscan.io")
    genesis_hash = models.BinaryField(max_length=32, null=True, blank=True)
    multicall_address = models.BinaryField(max_length=20, null=True, blank=True)
    multicall_from_block = models.BigIntegerField(default=0)
    enabled = models.BooleanField(default=True)
    head_number = models.BigIntegerField(null=True, editable=False)
    head_hash = models.BinaryField(max_length=32, null=True, editable=False)
    head_ts = models.DateTimeField(null=True, editable=False)
    head_seen_at = models.DateTimeField(null=True, editable=False)
    finalized_number = models.BigIntegerField(null=True, editable=False)
    state = models.CharField(
        max_length=8, choices=State.choices, default=State.DOWN, editable=False
    )
    state_reason = models.CharField(max_length=200, blank=True, editable=False)
    epoch = models.PositiveBigIntegerField(default=1, editable=False, help_text="Grows by reorgs.")
    watch_seq = models.PositiveBigIntegerField(
        default=0, editable=False, help_text="Grows when an address begins to be watched."
    )

    objects: ClassVar[ChainQuerySet] = ChainQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name


class RpcEndpoint(models.Model):
    """One way to ask a chain's nodes. ``caps`` is what probing found (foundation/evm/probe.py)."""

    chain = models.ForeignKey(Chain, on_delete=models.CASCADE, related_name="endpoints")
    name = models.CharField(max_length=60)
    # $NAME in an address is replaced from the environment: keys of providers are not stored.
    url_http = models.CharField("HTTP address", max_length=300)
    url_ws = models.CharField("websocket address", max_length=300, blank=True)
    priority = models.PositiveSmallIntegerField(default=10, help_text="Lower ones are asked first.")
    enabled = models.BooleanField(default=True)
    # Named in QUAYSIDE_CHAINS: one that is named no longer is switched off.
    configured = models.BooleanField(default=False, db_default=False, editable=False)
    caps = models.JSONField(default=dict, editable=False)
    archive_from = models.BigIntegerField(null=True, editable=False)
    batch_max = models.PositiveIntegerField(default=100, editable=False)
    logs_range_max = models.PositiveIntegerField(default=50, editable=False)
    cooldown_until = models.DateTimeField(null=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False)
    last_ok_at = models.DateTimeField(null=True, editable=False)
    last_error_class = models.CharField(max_length=60, blank=True, editable=False)

    class Meta:
        ordering = ["chain_id", "priority", "id"]
        constraints = [models.UniqueConstraint(fields=["chain", "name"], name="endpoint_name")]

    def __str__(self) -> str:
        return f"{self.chain_id} {self.name}"


class Block(models.Model):
    """A canonical block; orphans are deleted, and told of by ``ReorgEvent`` alone."""

    chain = models.ForeignKey(Chain, on_delete=models.PROTECT, related_name="+", db_index=False)
    number = models.BigIntegerField()
    hash = models.BinaryField(max_length=32)
    parent_hash = models.BinaryField(max_length=32)
    ts = models.DateTimeField()
    tx_count = models.PositiveIntegerField()
    transfer_count = models.PositiveIntegerField(default=0)
    gas_used = models.BigIntegerField()
    gas_limit = models.BigIntegerField(default=0)
    base_fee = models.BigIntegerField(null=True, help_text="Wei per gas.")
    miner = models.BinaryField(max_length=20)

    objects: ClassVar[BlockQuerySet] = BlockQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["chain", "number"], name="block_number"),
            models.UniqueConstraint(fields=["chain", "hash"], name="block_hash"),
        ]
        indexes = [models.Index(F("chain"), F("ts").desc(), name="block_time")]

    def __str__(self) -> str:
        return f"{self.chain_id}:{self.number}"


class ChainSpan(models.Model):
    """An unbroken run of applied blocks, both ends included. A chain has one that grows."""

    chain = models.ForeignKey(Chain, on_delete=models.CASCADE, related_name="spans")
    from_block = models.BigIntegerField()
    to_block = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["chain", "from_block"], name="span_begin"),
            models.CheckConstraint(condition=Q(from_block__lte=F("to_block")), name="span_order"),
        ]

    def __str__(self) -> str:
        return f"{self.chain_id}:{self.from_block}-{self.to_block}"


class ReorgEvent(models.Model):
    """Blocks that were taken back. ``fork_number`` is the last block both branches share."""

    chain = models.ForeignKey(Chain, on_delete=models.CASCADE, related_name="reorgs")
    depth = models.PositiveIntegerField()
    fork_number = models.BigIntegerField()
    old_hashes = models.JSONField()
    new_hashes = models.JSONField()
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.chain_id}: {self.depth} after {self.fork_number}"
