"""Questions that may be asked of the tables of balances."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from django.apps import apps
from django.db import models
from django.db.models import Exists, F, OuterRef, Q

from balances.constants import NATIVE

if TYPE_CHECKING:
    from balances.models import (  # noqa: F401  # named in strings
        Address,
        BackfillJob,
        Balance,
        BalancePoint,
        Block,
        Chain,
        Token,
        Transfer,
        Tx,
        Watch,
    )


class ChainQuerySet(models.QuerySet["Chain"]):
    def followed(self) -> Self:
        """Chains that the desk shows, by id."""
        return self.filter(enabled=True).order_by("id")


class BlockQuerySet(models.QuerySet["Block"]):
    def of(self, chain: Chain) -> Self:
        """Newest first."""
        return self.filter(chain=chain).order_by("-number")

    def applied(self) -> Self:
        """Those that the follower applied. Others are kept for what a followed address did in them:
        who sees those learns who is followed."""
        spans = apps.get_model("balances", "ChainSpan")._default_manager
        number = OuterRef("number")
        run = spans.filter(chain=OuterRef("chain"), from_block__lte=number, to_block__gte=number)
        return self.filter(Exists(run))

    def made_by(self, chain: Chain, moment: datetime) -> Self:
        """Blocks of ``chain`` that were there at ``moment``, the latest of them first."""
        return self.filter(chain=chain, ts__lte=moment).order_by("-ts", "-number")


class AddressQuerySet(models.QuerySet["Address"]):
    def visible_to(self, user: Any) -> Self:
        """Whose balances ``user`` may see: any address's, for those who are signed in.

        What a chain says of an address is public. Who watches it is not: ``WatchQuerySet``.
        """
        return self.all() if user.is_authenticated and user.is_active else self.none()

    def forgotten(self, now: datetime) -> Self:
        """Addresses that nobody watches or keeps, and nobody has looked up lately."""
        # By name: models import this module, not the other way round.
        wanted = [
            Exists(apps.get_model("balances", name)._default_manager.filter(address=OuterRef("pk")))
            for name in ("Watch", "Keep")
        ]
        lapsed = self.filter(Q(looked_up_until=None) | Q(looked_up_until__lte=now))
        return lapsed.exclude(wanted[0] | wanted[1])


class WatchQuerySet(models.QuerySet["Watch"]):
    def visible_to(self, user: Any) -> Self:
        """The watches of ``user``. Labels and the fact of watching are nobody else's to see."""
        return self.filter(owner=user.pk) if user.is_authenticated else self.none()

    def for_display(self) -> Self:
        """With everything a row of the list shows, oldest first."""
        return self.select_related("address", "chain").order_by("pk")


class TokenQuerySet(models.QuerySet["Token"]):
    def native(self) -> Self:
        """The coins of the chains themselves."""
        return self.filter(contract=NATIVE)


class BalanceQuerySet(models.QuerySet["Balance"]):
    def of(self, *addresses: Address) -> Self:
        """What the addresses hold on chains that are followed, the coin of each chain first."""
        return (
            self.filter(address__in=addresses, token__chain__enabled=True)
            .select_related("token__chain")
            .order_by("address_id", "token__chain_id", "token__contract")
        )


class BalancePointQuerySet(models.QuerySet["BalancePoint"]):
    def of(self, address: Address, token: Token) -> Self:
        """The changes of one cell, newest first."""
        return self.filter(chain=token.chain_id, address=address, token=token).order_by(
            "-block_number"
        )


class TxQuerySet(models.QuerySet["Tx"]):
    def newest_of(self, chain: Chain) -> Self:
        return self.filter(chain=chain).order_by("-block_number", "-idx")

    def moving(self, value: int) -> Self:
        """Those that carry at least ``value`` wei."""
        return self.filter(value__gte=value)


class TransferQuerySet(models.QuerySet["Transfer"]):
    def newest_of(self, chain: Chain) -> Self:
        return self.filter(chain=chain).order_by("-block_number", "-log_index")

    def moving(self, value: int) -> Self:
        """Those of at least ``value`` base units."""
        return self.filter(value__gte=value)


class BackfillJobQuerySet(models.QuerySet["BackfillJob"]):
    def waiting(self) -> Self:
        """Jobs to be done, those that somebody waits for first."""
        return self.filter(state="waiting").order_by("priority", F("id"))

    def due(self, now: datetime) -> Self:
        """Waiting jobs that nobody is doing, or that were left behind by a process that died."""
        return self.waiting().filter(Q(leased_until=None) | Q(leased_until__lte=now))
