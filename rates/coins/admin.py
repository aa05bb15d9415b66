"""Operators order the sources, set their budgets, and say which names are one coin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from rates.coins.services import health, refresh
from rates.models import CoinAlias, CoinSource
from rates.querysets import CoinSourceQuerySet

if TYPE_CHECKING:
    SourceBase = admin.ModelAdmin[CoinSource]
    AliasBase = admin.ModelAdmin[CoinAlias]
else:
    SourceBase = AliasBase = admin.ModelAdmin


@admin.register(CoinSource)
class CoinSourceAdmin(SourceBase):
    list_display = ["name", "enabled", "price_position", "rank_position", "condition", "budget"]
    readonly_fields = ["name", "condition", "budget"]

    def get_queryset(self, request: HttpRequest) -> CoinSourceQuerySet:
        return CoinSource.objects.told()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # Each has an adapter in the code.

    def has_delete_permission(self, request: HttpRequest, obj: CoinSource | None = None) -> bool:
        return False  # Switch it off instead.

    @admin.display(description="health")
    def condition(self, source: CoinSource) -> str:
        found = health.health_of(source, timezone.now())
        text = f"{found.state}, {found.rows} rows"
        return f"{text} ({found.error}: {found.message})" if found.error else text

    @admin.display(description="credits left this month")
    def budget(self, source: CoinSource) -> str:
        left = health.health_of(source, timezone.now()).credits_left
        return "no end" if left is None else f"{left:,}"

    def save_model(self, request: HttpRequest, obj: CoinSource, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        refresh.allow_again(obj)


@admin.register(CoinAlias)
class CoinAliasAdmin(AliasBase):
    list_display = ["coin", "source", "key"]
    list_filter = ["source"]
    search_fields = ["coin", "key"]
    list_select_related = ["source"]
