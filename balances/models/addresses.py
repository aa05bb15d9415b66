"""Addresses, and who watches which."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Length

from balances.models.chains import Chain
from balances.querysets import AddressQuerySet, WatchQuerySet


class Address(models.Model):
    """Twenty bytes that somebody watches or has looked up, on whatever chain."""

    raw = models.BinaryField(max_length=20, unique=True)
    # Nobody watches it, but a page of it was opened: followed until this moment.
    looked_up_until = models.DateTimeField(null=True)
    added_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[AddressQuerySet] = AddressQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(raw__length=20), name="address_length"),
        ]

    def __str__(self) -> str:
        return f"0x{bytes(self.raw).hex()}"


models.BinaryField.register_lookup(Length, "length")


class Watch(models.Model):
    """That a user follows an address. ``proven``: it is a wallet linked to their account."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="watches"
    )
    address = models.ForeignKey(Address, on_delete=models.CASCADE, related_name="watches")
    # Null is every chain.
    chain = models.ForeignKey(Chain, on_delete=models.CASCADE, null=True, blank=True)
    label = models.CharField(max_length=60, blank=True)
    group = models.CharField(max_length=40, blank=True)
    colour = models.CharField(
        max_length=7, blank=True, validators=[RegexValidator(r"^#[0-9a-f]{6}$")]
    )
    hidden = models.BooleanField(default=False)
    proven = models.BooleanField(default=False)
    added_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[WatchQuerySet] = WatchQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "address", "chain"], name="watch_once", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return f"{self.owner_id}: {self.address_id}"


class Keep(models.Model):
    """That an address is followed for somebody who is no user, such as an organisation.

    ``keeper`` is that somebody's own word for themselves; balances do not know who they are.
    """

    address = models.ForeignKey(Address, on_delete=models.CASCADE, related_name="keeps")
    keeper = models.CharField(max_length=64)
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["address", "keeper"], name="keep_once")]

    def __str__(self) -> str:
        return f"{self.keeper}: {self.address_id}"


class TokenPreference(models.Model):
    """A user's own word on a token: shown although it is spam, or hidden although it is listed."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="token_preferences"
    )
    token = models.ForeignKey("balances.Token", on_delete=models.CASCADE)
    shown = models.BooleanField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "token"], name="preference_once")]

    def __str__(self) -> str:
        return f"{self.owner_id}: {self.token_id} {'shown' if self.shown else 'hidden'}"
