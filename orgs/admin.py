"""Organisations for administrators: to read, to put a name right, and to revoke keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest
from django.utils.html import format_html_join

from accounts.constants import EventKind
from accounts.models import User
from balances.services.amounts import address_text
from orgs.models import ApiKey, Membership, Organisation, TreasuryAddress
from orgs.services import acts

if TYPE_CHECKING:
    Organisations = admin.ModelAdmin[Organisation]
    Treasuries = admin.ModelAdmin[TreasuryAddress]
    Keys = admin.TabularInline[ApiKey, Organisation]
else:
    Keys = admin.TabularInline
    Organisations = Treasuries = admin.ModelAdmin


# Members that one page shows, those who joined first.
SHOWN_MEMBERS: Final = 200
COLUMNS: Final = (
    "name",
    "prefix",
    "scopes",
    "created_by",
    "created_at",
    "last_used_at",
    "expires_at",
)


@admin.register(TreasuryAddress)
class TreasuryAdmin(Treasuries):
    """To read: who may change it stands in the organisation."""

    list_display = ["org", "shown", "label", "added_by", "added_at"]
    list_select_related = ["org", "added_by"]
    search_fields = ["org__slug__startswith"]
    search_help_text = "How the organisation's slug begins."
    fields = ["org", "shown", "label", "added_by", "added_at"]
    ordering = ["-id"]
    show_full_result_count = False

    @admin.display(description="Address")
    def shown(self, row: TreasuryAddress) -> str:
        return address_text(bytes(row.raw))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class KeyInline(Keys):
    """To read and to revoke: only the organisation's own people make keys."""

    model = ApiKey
    extra = 0
    fields = COLUMNS
    readonly_fields = COLUMNS

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Organisation)
class OrganisationAdmin(Organisations):
    """Found by the beginning of the slug: a search inside a million names is the board's work."""

    list_display = ["name", "slug", "created_at"]
    search_fields = ["slug__startswith"]
    search_help_text = "How the slug begins."
    ordering = ["-id"]
    fields = ["name", "slug", "created_at", "members"]
    readonly_fields = ["slug", "created_at", "members"]
    inlines = [KeyInline]
    # Counting a million rows would be the slowest part of the page.
    show_full_result_count = False

    @admin.display(description="Members")
    def members(self, org: Organisation) -> str:
        rows = Membership.objects.filter(org=org).for_display()[:SHOWN_MEMBERS]
        lines = ((row.name, row.user_id, row.role, f"{row.joined_at:%Y-%m-%d}") for row in rows)
        return format_html_join(" ", "<div>{} (user {}): {} since {}</div>", lines)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Keys are all that can go; the organisation's own log tells of it as of any other."""
        with transaction.atomic():
            super().save_formset(request, form, formset, change)
            for key in formset.deleted_objects:
                by = cast("User", request.user)
                acts.note(org=form.instance, by=by, kind=EventKind.ORG_KEY_REVOKED, detail=str(key))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
