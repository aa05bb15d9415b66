"""The audit trails, to read only: rows come from services and never change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from rates.models import PairHalt, SpreadRule

if TYPE_CHECKING:
    Base = admin.ModelAdmin[Any]
else:
    Base = admin.ModelAdmin


class ReadOnlyAdmin(Base):
    actions = None
    list_per_page = 50
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(SpreadRule)
class SpreadRuleAdmin(ReadOnlyAdmin):
    list_display = [
        "version", "pair", "status", "unit", "buy", "sell",
        "effective_from", "effective_to", "created_by", "origin", "reason",
    ]  # fmt: skip
    list_filter = ["status", "origin", "pair"]
    list_select_related = ["pair", "created_by"]
    search_fields = ["reason", "pair__code", "created_by__username"]
    ordering = ["-version"]


@admin.register(PairHalt)
class PairHaltAdmin(ReadOnlyAdmin):
    list_display = ["at", "pair", "action", "by", "reason"]
    list_filter = ["action", "pair"]
    list_select_related = ["pair", "by"]
    search_fields = ["reason", "pair__code", "by__username"]
    ordering = ["-version"]
