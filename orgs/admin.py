"""Organisations for administrators: to read, and to put a name right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from balances.services.amounts import address_text
from orgs.models import Organisation, TreasuryAddress

if TYPE_CHECKING:
    Organisations = admin.ModelAdmin[Organisation]
    Treasuries = admin.ModelAdmin[TreasuryAddress]
else:
    Organisations = Treasuries = admin.ModelAdmin


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


@admin.register(Organisation)
class OrganisationAdmin(Organisations):
    """Found by the beginning of the slug: a search inside a million names is the board's work."""

    list_display = ["name", "slug", "created_at"]
    search_fields = ["slug__startswith"]
    search_help_text = "How the slug begins."
    ordering = ["-id"]
    fields = ["name", "slug", "created_at"]
    readonly_fields = ["slug", "created_at"]
    # Counting a million rows would be the slowest part of the page.
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
