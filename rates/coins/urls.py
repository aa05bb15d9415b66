"""The pages of top coins, and the list as a file."""

from django.urls import path

from rates.coins import views
from rates.coins.api.coins import CoinsFileView

app_name = "coins"

urlpatterns = [
    path("coins.csv", CoinsFileView.as_view(), name="csv"),
    path("coins/", views.market, name="market"),
    path("coins/liquidity/", views.liquidity, name="liquidity"),
    path("coins/<path:symbol>/", views.coin, name="coin"),
]
