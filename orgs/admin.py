"""Organisations for administrators: to read, and to put a name right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from orgs.models import Organisation

if TYPE_CHECKING:
    Organisations = admin.ModelAdmin[Organisation]
else:
    Organisations = admin.ModelAdmin


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
