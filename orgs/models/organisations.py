"""Organisations, who belongs to them, and what acts for them."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from orgs.querysets import (
    ApiKeyQuerySet,
    InvitationQuerySet,
    MembershipQuerySet,
    OrganisationQuerySet,
)

MAX_NAME = 120


class OrgRole(models.TextChoices):
    """What a member may do. Each may what those after it may."""

    OWNER = "owner", "Owner"
    MANAGER = "manager", "Manager"
    MEMBER = "member", "Member"


class Organisation(models.Model):
    """A customer company. Its counters are in ``Stat``, so that counting touches no index here."""

    name = models.TextField()
    # How addresses of pages name it; it stays when the name changes.
    slug = models.CharField(max_length=80)
    created_at = models.DateTimeField(db_default=models.functions.Now())

    objects: ClassVar[OrganisationQuerySet] = OrganisationQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["id"]
        constraints = [
            # As a constraint, since unique=True would add a second index for LIKE.
            models.UniqueConstraint(fields=["slug"], name="organisation_slug_once"),
            models.CheckConstraint(
                condition=Q(name__length__gte=1, name__length__lte=MAX_NAME),
                name="organisation_name_length",
            ),
        ]

    def __str__(self) -> str:
        return self.name


models.TextField.register_lookup(models.functions.Length, "length")


class Membership(models.Model):
    """That a user belongs to an organisation, and as what."""

    org = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    role = models.CharField(max_length=8, choices=OrgRole.choices)
    joined_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[MembershipQuerySet] = MembershipQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["org", "user"], name="membership_once"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.org_id}: {self.role}"

    @property
    def name(self) -> str:
        """How pages name the member."""
        return self.user.get_full_name() or self.user.get_username()


class Invitation(models.Model):
    """A secret that makes whoever opens it a member, once. We keep its digest only."""

    org = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="invitations")
    role = models.CharField(max_length=8, choices=OrgRole.choices)
    # Empty: whoever has the link. Otherwise the account must have confirmed this address.
    email = models.EmailField(blank=True)
    digest = models.CharField(max_length=64, unique=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    accepted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )

    objects: ClassVar[InvitationQuerySet] = InvitationQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.org_id}: {self.email or 'link'}"


class Domain(models.Model):
    """A mail domain that the organisation says is its own; nobody has proved it."""

    org = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="domains")
    name = models.TextField(db_collation="C")
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["org", "name"], name="domain_once_per_org")]

    def __str__(self) -> str:
        return self.name


class TreasuryAddress(models.Model):
    """An address that the organisation says is its own; nobody has proved it.

    Balances follow it from when the row is stored until it is deleted.
    """

    org = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="treasury")
    raw = models.BinaryField(max_length=20)
    label = models.CharField(max_length=60, blank=True)
    added_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "treasury addresses"
        constraints = [
            models.UniqueConstraint(fields=["org", "raw"], name="treasury_address_once"),
            models.CheckConstraint(condition=Q(raw__length=20), name="treasury_address_length"),
        ]

    def __str__(self) -> str:
        return f"0x{bytes(self.raw).hex()}"


class KeyScope(models.TextChoices):
    """What an organisation's key may do."""

    EVENTS = "events", "Send events"
    METRICS = "metrics", "Read the organisation's metrics"


class ApiKey(models.Model):
    """A secret with which a program acts for an organisation, known by its digest."""

    org = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=50)
    prefix = models.CharField(max_length=11)
    digest = models.CharField(max_length=64, unique=True)
    scopes = ArrayField(models.CharField(max_length=16, choices=KeyScope.choices))
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    # At most a minute behind.
    last_used_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)

    objects: ClassVar[ApiKeyQuerySet] = ApiKeyQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(scopes__len__gt=0), name="api_key_has_a_scope"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}...)"

    @property
    def expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()
