"""The rates' part of ``/api/v1/``. Paths end without a slash."""

from django.urls import path

from rates.api.rates import CandlesView, RatesView, RateView
from rates.api.spreads import SpreadHistoryView, SpreadView

urlpatterns = [
    path("rates", RatesView.as_view(), name="rates"),
    path("rates/<str:pair>", RateView.as_view(), name="rate"),
    path("rates/<str:pair>/candles", CandlesView.as_view(), name="candles"),
    path("rates/<str:pair>/spread", SpreadView.as_view(), name="spread"),
    path("rates/<str:pair>/spread/history", SpreadHistoryView.as_view(), name="spread-history"),
]
