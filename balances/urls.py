"""The overview, and the pages of chains and balances."""

from __future__ import annotations

from django.urls import path

from balances import views

app_name = "balances"

urlpatterns = [
    path("", views.overview, name="overview"),
    path("chain/", views.chain, name="chain"),
    path("balances/", views.portfolio, name="list"),
    path("balances/watches/<int:watch_id>/", views.change_watch, name="watch-change"),
    path("balances/watches/<int:watch_id>/remove", views.remove_watch, name="watch-remove"),
    path("balances/tokens/<int:token_id>", views.prefer_token, name="token-prefer"),
    path("balances/<str:address>/", views.address, name="address"),
    path("balances/<str:address>/steps", views.steps, name="steps"),
    path("balances/<str:address>/qr.svg", views.qr_code, name="qr"),
]
