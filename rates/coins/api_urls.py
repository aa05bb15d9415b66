"""Top coins' part of ``/api/v1/``. Paths end without a slash."""

from django.urls import path

from rates.coins.api.coins import CoinsCsvView, CoinsView, CoinView

urlpatterns = [
    path("coins", CoinsView.as_view(), name="coins"),
    path("coins.csv", CoinsCsvView.as_view(), name="coins-csv"),
    path("coins/<path:symbol>", CoinView.as_view(), name="coin"),
]
