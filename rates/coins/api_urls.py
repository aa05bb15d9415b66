"""Top coins' part of ``/api/v1/``. Paths end without a slash."""

from django.urls import path

from rates.coins.api.coins import CoinsCsvView, CoinsView, CoinView
from rates.coins.api.webhooks import (
    WebhookDeliveriesView,
    WebhookSecretView,
    WebhooksView,
    WebhookTestView,
    WebhookView,
)

urlpatterns = [
    path("coins", CoinsView.as_view(), name="coins"),
    path("coins.csv", CoinsCsvView.as_view(), name="coins-csv"),
    path("coins/<path:symbol>", CoinView.as_view(), name="coin"),
    path("webhooks", WebhooksView.as_view(), name="webhooks"),
    path("webhooks/<int:number>", WebhookView.as_view(), name="webhook"),
    path("webhooks/<int:number>/secret", WebhookSecretView.as_view(), name="webhook-secret"),
    path("webhooks/<int:number>/test", WebhookTestView.as_view(), name="webhook-test"),
    path(
        "webhooks/<int:number>/deliveries",
        WebhookDeliveriesView.as_view(),
        name="webhook-deliveries",
    ),
]
