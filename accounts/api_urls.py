"""Sign-in for programs and for the page's own module."""

from __future__ import annotations

from django.urls import path

from accounts.ethereum import views

urlpatterns = [
    path("auth/wallet/nonce", views.NonceView.as_view(), name="wallet-nonce"),
    path("auth/wallet/verify", views.VerifyView.as_view(), name="wallet-verify"),
    path("auth/wallet/me", views.MeView.as_view(), name="wallet-me"),
    path("auth/wallet/logout", views.LogoutView.as_view(), name="wallet-logout"),
]
