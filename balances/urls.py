"""The overview, and the pages of chains and balances."""

from __future__ import annotations

from django.urls import path

from balances.views import address, chain, overview, portfolio

app_name = "balances"

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("chain/", chain.chain, name="chain"),
    path("balances/", portfolio.portfolio, name="list"),
    path("balances/watches/<int:watch_id>/", portfolio.change_watch, name="watch-change"),
    path("balances/watches/<int:watch_id>/remove", portfolio.remove_watch, name="watch-remove"),
    path("balances/tokens/<int:token_id>", address.prefer_token, name="token-prefer"),
    path("balances/<str:address>/", address.address, name="address"),
    path("balances/<str:address>/steps", address.steps, name="steps"),
    path("balances/<str:address>/qr.svg", address.qr_code, name="qr"),
]
