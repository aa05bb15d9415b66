"""Nonces, to look at only: what was tried when, without the values."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from accounts.ethereum.models import WalletNonce


@admin.register(WalletNonce)
class WalletNonceAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    list_display = ("expires_at", "purpose", "consumed_at")
    list_filter = ("purpose",)
    list_display_links = None
    ordering = ("-expires_at",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
