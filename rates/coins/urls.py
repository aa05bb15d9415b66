"""The pages of top coins, and the list as a file."""

from django.urls import path

from rates.coins import views, webhook_views
from rates.coins.api.coins import CoinsFileView

app_name = "coins"

urlpatterns = [
    path("coins.csv", CoinsFileView.as_view(), name="csv"),
    path("coins/", views.market, name="market"),
    path("coins/liquidity/", views.liquidity, name="liquidity"),
    path("coins/webhooks/", webhook_views.listed, name="webhooks"),
    path("coins/webhooks/<int:number>/", webhook_views.one, name="webhook"),
    path("coins/webhooks/<int:number>/act", webhook_views.act, name="webhook-act"),
    path("coins/webhooks/<int:number>/secret", webhook_views.rotate, name="webhook-rotate"),
    path("coins/<path:symbol>/", views.coin, name="coin"),
]
