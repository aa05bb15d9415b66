"""The account page and what can be done there, under ``/account/``."""

from __future__ import annotations

from django.urls import include, path

from accounts import views

app_name = "accounts"

urlpatterns = [
    path("", views.page, name="page"),
    path("profile", views.save_profile, name="profile"),
    path("wallets/<int:wallet_id>/name", views.name_wallet, name="wallet-name"),
    path("wallets/<int:wallet_id>/remove", views.remove_wallet, name="wallet-remove"),
    path("sessions/<int:session_id>/end", views.end_session, name="session-end"),
    path("sessions/end-others", views.end_other_sessions, name="sessions-end-others"),
    path("tokens/", include("accounts.token_urls")),
    path("log", views.log, name="log"),
    path("export", views.export_data, name="export"),
    path("confirm", views.confirm, name="confirm"),
    path("delete", views.close, name="close"),
]
