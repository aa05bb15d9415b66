"""Chains, their nodes, tokens and jobs for operators. Addresses of nodes hide their keys."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from django.contrib import admin, messages
from django.db import models
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest

from balances.models import BackfillJob, Chain, ReorgEvent, RpcEndpoint, Token, Watch
from balances.services import seeding, upkeep
from balances.services.amounts import address_text

if TYPE_CHECKING:
    ChainBase = admin.ModelAdmin[Chain]
    EndpointBase = admin.ModelAdmin[RpcEndpoint]
    TokenBase = admin.ModelAdmin[Token]
    WatchBase = admin.ModelAdmin[Watch]
    JobBase = admin.ModelAdmin[BackfillJob]
    ReorgBase = admin.ModelAdmin[ReorgEvent]
else:
    ChainBase = EndpointBase = TokenBase = WatchBase = JobBase = ReorgBase = admin.ModelAdmin

# Long parts of a path or query are what providers call keys.
SECRET: Final = re.compile(r"[A-Za-z0-9_-]{16,}")


def masked(url: str) -> str:
    """The address without user, password, query and what may be a key. ``$NAME`` stays."""
    if not url:
        return ""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    path = SECRET.sub("***", parts.path)
    return f"{parts.scheme}://{host}{port}{path}{'?***' if parts.query else ''}"


class ReadOnly:
    """For rows that only services write."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Chain)
class ChainAdmin(ChainBase):
    list_display = ["id", "name", "state", "head_number", "head_ts", "head_seen_at", "enabled"]
    readonly_fields = [
        "state", "state_reason", "head_number", "head_ts", "head_seen_at", "finalized_number",
        "epoch", "genesis", "multicall",
    ]  # fmt: skip
    exclude = ["genesis_hash", "multicall_address"]
    formfield_overrides = {models.URLField: {"assume_scheme": "https"}}

    @admin.display(description="Genesis")
    def genesis(self, chain: Chain) -> str:
        return f"0x{bytes(chain.genesis_hash).hex()}" if chain.genesis_hash else "not seen yet"

    @admin.display(description="Multicall3")
    def multicall(self, chain: Chain) -> str:
        return address_text(bytes(chain.multicall_address)) if chain.multicall_address else "none"

    def save_model(
        self, request: HttpRequest, obj: Chain, form: ModelForm[Chain], change: bool
    ) -> None:
        """Only what was changed: the follower may have moved the head since the row was read."""
        obj.save(update_fields=form.changed_data if change else None)
        if change and obj.enabled and "enabled" in form.changed_data:
            seeding.seed_missing(obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Chain | None = None) -> list[str]:
        return [*self.readonly_fields, *(["id"] if obj else [])]

    def has_delete_permission(self, request: HttpRequest, obj: Chain | None = None) -> bool:
        return False  # Its blocks and balances would lose their chain; switch it off instead.


@admin.register(RpcEndpoint)
class EndpointAdmin(EndpointBase):
    """Keys belong into the environment: ``https://node.example/$KEY``."""

    list_display = [
        "name", "chain", "shown_http", "priority", "enabled", "last_ok_at",
        "failures", "last_error_class", "archive_from",
    ]  # fmt: skip
    list_filter = ["chain", "enabled"]
    list_select_related = ["chain"]
    readonly_fields = [
        "shown_http", "shown_ws", "caps", "archive_from", "batch_max", "logs_range_max",
        "cooldown_until", "failures", "last_ok_at", "last_error_class",
    ]  # fmt: skip

    def save_model(
        self, request: HttpRequest, obj: RpcEndpoint, form: ModelForm[RpcEndpoint], change: bool
    ) -> None:
        if "url_http" in form.changed_data:
            # Another node: nothing is known of it, and it is probed in full.
            obj.caps, obj.archive_from, obj.last_ok_at = {}, None, None
        super().save_model(request, obj, form, change)

    @admin.display(description="HTTP address")
    def shown_http(self, endpoint: RpcEndpoint) -> str:
        return masked(endpoint.url_http)

    @admin.display(description="Websocket address")
    def shown_ws(self, endpoint: RpcEndpoint) -> str:
        return masked(endpoint.url_ws)

    def get_exclude(self, request: HttpRequest, obj: RpcEndpoint | None = None) -> list[str]:
        """Who may only look does not see the addresses themselves."""
        may_change = self.has_change_permission(request, obj)
        return [] if may_change else ["url_http", "url_ws"]


@admin.register(Token)
class TokenAdmin(TokenBase):
    list_display = ["symbol", "name", "chain", "address", "decimals", "status", "price_symbol"]
    list_editable = ["status", "price_symbol"]
    list_filter = ["status", "chain", "bugged_events"]
    list_select_related = ["chain"]
    search_fields = ["symbol", "name"]
    fields = [
        "chain", "address", "symbol", "name", "decimals", "status", "price_symbol",
        "bugged_events", "asked_at",
    ]  # fmt: skip
    readonly_fields = ["chain", "address", "symbol", "name", "decimals", "asked_at"]
    show_full_result_count = False

    @admin.display(description="Contract")
    def address(self, token: Token) -> str:
        return "the coin itself" if token.is_native else address_text(bytes(token.contract))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # They are found by their transfers.

    def has_delete_permission(self, request: HttpRequest, obj: Token | None = None) -> bool:
        return False


@admin.register(Watch)
class WatchAdmin(ReadOnly, WatchBase):
    """That somebody watches, and whom to ask; how they call it is their own."""

    list_display = ["owner", "shown", "chain", "proven", "added_at"]
    list_filter = ["proven", "chain"]
    list_select_related = ["owner", "address", "chain"]
    search_fields = ["owner__username"]
    fields = ["owner", "shown", "chain", "proven", "added_at"]
    show_full_result_count = False

    @admin.display(description="Address")
    def shown(self, watch: Watch) -> str:
        return address_text(bytes(watch.address.raw))


@admin.register(BackfillJob)
class JobAdmin(ReadOnly, JobBase):
    list_display = ["id", "kind", "chain", "state", "attempts", "error", "added_at", "done_at"]
    list_filter = ["state", "kind", "chain"]
    list_select_related = ["chain"]
    actions = ["retry"]
    show_full_result_count = False

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("balances.change_backfilljob")

    @admin.action(description="Try again", permissions=["retry"])
    def retry(self, request: HttpRequest, jobs: QuerySet[BackfillJob]) -> None:
        again = upkeep.retry(list(jobs.values_list("pk", flat=True)))
        messages.success(request, f"{again} of them wait for their turn again.")


@admin.register(ReorgEvent)
class ReorgAdmin(ReadOnly, ReorgBase):
    list_display = ["at", "chain", "depth", "fork_number"]
    list_filter = ["chain"]
    list_select_related = ["chain"]
