"""API tokens of the account page, under ``/account/tokens/``."""

from __future__ import annotations

from django.urls import path

from accounts import token_views

urlpatterns = [
    path("new", token_views.make, name="token-new"),
    path("<int:token_id>/revoke", token_views.revoke, name="token-revoke"),
]
