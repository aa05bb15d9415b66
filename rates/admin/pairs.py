"""The list of pairs as an operator's desk, and the addresses of the desk's pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from rates.admin import bulk_page, halt_page, history_pages, spread_pages
from rates.constants import HALTED, LIVE
from rates.models import Pair, SpreadRule
from rates.services import pair_book, previews, rights, spread_table, spreads
from rates.templatetags.desk import offsets

if TYPE_CHECKING:
    Base = admin.ModelAdmin[Pair]
else:
    Base = admin.ModelAdmin


class DeskChangeList(ChangeList):
    """A page of pairs, each with its ``desk`` row: market, quote, spread, state."""

    def get_filters_params(self, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """The receipt of a save stands in the address and is no filter."""
        wanted: dict[str, Any] = super().get_filters_params(params)
        wanted.pop("saved", None)
        return wanted

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        pairs = list(self.result_list)
        rows = previews.desk_rows(pairs)
        for pair in pairs:
            pair.desk = rows[pair.pk]
        self.result_list = pairs


@admin.register(Pair)
class PairAdmin(Base):
    list_display = [
        "code", "market_bid", "market_ask", "customer_sells", "customer_buys",
        "spread", "state", "tools",
    ]  # fmt: skip
    search_fields = ["code"]
    ordering = ["position", "code"]
    list_per_page = 100
    show_full_result_count = False
    actions = ["change_spreads"]
    change_list_template = "admin/rates/pair/change_list.html"
    change_form_template = "admin/rates/pair/change_form.html"

    # --- Rights ------------------------------------------------------------------------------

    def has_delete_permission(self, request: HttpRequest, obj: Pair | None = None) -> bool:
        return False  # Its audit trail would lose its subject; disable it instead.

    def has_edit_spreads_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(rights.EDIT)

    def get_readonly_fields(self, request: HttpRequest, obj: Pair | None = None) -> list[str]:
        return ["code", "base", "quote", "synced_at"] if obj else ["synced_at"]

    # --- Pages -------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        own = [
            path("<int:pk>/spread/", spread_pages.edit, name="rates_pair_spread"),
            path("<int:pk>/spread/preview/", spread_pages.preview, name="rates_pair_preview"),
            path("<int:pk>/spread/history/", history_pages.history, name="rates_pair_history_list"),
            path("<int:pk>/halt/", halt_page.halt, name="rates_pair_halt"),
            path("house/spread/", spread_pages.edit, name="rates_house_spread"),
            path("house/spread/preview/", spread_pages.preview, name="rates_house_preview"),
            path("house/spread/history/", history_pages.history, name="rates_house_history_list"),
            path("applied/<int:version>/", spread_pages.applied, name="rates_applied"),
            path("revert/<int:version>/", history_pages.revert, name="rates_revert"),
            path("pending/", history_pages.pending, name="rates_pending"),
            path("pending/<int:version>/", history_pages.decide, name="rates_decide"),
            path("bulk/", bulk_page.bulk, name="rates_bulk"),
        ]
        return own + super().get_urls()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return DeskChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Pair]:
        return super().get_queryset(request).with_halt()  # type: ignore[attr-defined, no-any-return]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        number = request.GET.get("saved", "")
        may_edit = self.has_edit_spreads_permission(request)
        context: dict[str, Any] = {"may_edit": may_edit, "title": "Pairs and spreads"}
        if may_edit:
            context["house"] = spreads.standing(None)
            context["waiting"] = SpreadRule.objects.pending().count()
        if number.isdecimal() and len(number) < 19:
            context["receipt"] = {
                "version": int(number),
                "applied": spread_table.applied(int(number)),
            }
        return super().changelist_view(request, (extra_context or {}) | context)

    def save_model(self, request: HttpRequest, obj: Pair, form: Any, change: bool) -> None:
        pair_book.save(obj)

    @admin.action(
        description="Change the spread of the selected pairs", permissions=["edit_spreads"]
    )
    def change_spreads(self, request: HttpRequest, queryset: QuerySet[Pair]) -> HttpResponse:
        keys = ",".join(str(pk) for pk in queryset.values_list("pk", flat=True))
        return redirect(f"{reverse('admin:rates_bulk')}?pairs={keys}")

    # --- Columns: the page's script finds each by ``data-live`` -------------------------------

    @admin.display(description="Market bid")
    def market_bid(self, pair: Any) -> SafeString:
        return _live(pair, "bid", pair.desk.market and _price(pair, pair.desk.market.bid))

    @admin.display(description="Market ask")
    def market_ask(self, pair: Any) -> SafeString:
        return _live(pair, "ask", pair.desk.market and _price(pair, pair.desk.market.ask))

    @admin.display(description="Customer sells at")
    def customer_sells(self, pair: Any) -> SafeString:
        sides = pair.desk.sides
        margin = sides and _margin(pair, sides.quote.spread_sell, sides.sell_bps)
        return _two_lines(_live(pair, "sell", _quoted(pair, "sell")), "margin-sell", margin)

    @admin.display(description="Customer buys at")
    def customer_buys(self, pair: Any) -> SafeString:
        sides = pair.desk.sides
        margin = sides and _margin(pair, sides.quote.spread_buy, sides.buy_bps)
        return _two_lines(_live(pair, "buy", _quoted(pair, "buy")), "margin-buy", margin)

    @admin.display(description="Spread (sell / buy)")
    def spread(self, pair: Any) -> SafeString:
        rule = pair.desk.rule
        if rule is None:
            return _two_lines("not set", "version", "nothing is quoted")
        own = "" if rule.pair_id else ", house default"
        later = ", more scheduled" if pair.desk.scheduled else ""
        return _two_lines(offsets(rule), "version", f"version {rule.version}{own}{later}")

    @admin.display(description="State")
    def state(self, pair: Any) -> SafeString:
        received = pair.desk.received_ms
        return format_html(
            '<span data-live="state" data-state="{}">{}</span><br>'
            '<span class="desk-note" data-live="reason">{}</span> '
            '<span class="desk-note" data-live="age" data-received="{}"></span>',
            pair.desk.state, pair.desk.state, pair.desk.reason,
            "" if received is None else received,
        )  # fmt: skip

    @admin.display(description="")
    def tools(self, pair: Any) -> SafeString:
        halted = pair.desk.state == HALTED
        links = [
            (reverse("admin:rates_pair_spread", args=[pair.pk]), "Edit spread"),
            (reverse("admin:rates_pair_history_list", args=[pair.pk]), "History"),
            (reverse("admin:rates_pair_halt", args=[pair.pk]), "Resume" if halted else "Halt"),
        ]
        return format_html_join(" ", '<a class="desk-tool" href="{}">{}</a>', links)


def _live(pair: Pair, name: str, text: str | None) -> SafeString:
    return format_html(
        '<span class="desk-number" data-live="{}" data-pair="{}" data-decimals="{}">{}</span>',
        name, pair.code, pair.price_decimals, text or "\N{EN DASH}",
    )  # fmt: skip


def _two_lines(first: str, name: str, second: str | None) -> SafeString:
    return format_html(
        '<span class="desk-number">{}</span><br><span class="desk-note" data-live="{}">{}</span>',
        first, name, second or "",
    )  # fmt: skip


def _quoted(pair: Any, side: str) -> str | None:
    """What a customer sees: a price only while the pair is live."""
    if pair.desk.sides is None or pair.desk.state != LIVE:
        return None
    return _price(pair, getattr(pair.desk.sides.quote, side))


def _price(pair: Pair, value: Any) -> str:
    return f"{value:,.{pair.price_decimals}f}"


def _margin(pair: Pair, amount: Any, bps: Any) -> str:
    return f"{amount:+,.{pair.price_decimals}f} ({bps:+.1f})"
