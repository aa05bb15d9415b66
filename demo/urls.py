"""Addresses that exist in demo mode only."""

from __future__ import annotations

from django.urls import path

from demo.wallet import SignView

urlpatterns = [path("wallet/sign", SignView.as_view(), name="demo-wallet-sign")]
