"""The balances' part of ``/api/v1/``. Paths end without a slash."""

from django.urls import path

from balances.api.balances import BalancesView, HistoryView, TransfersView
from balances.api.chains import BlocksView, ChainsView, TransactionsView
from balances.api.watches import WatchesView, WatchView

urlpatterns = [
    path("chains", ChainsView.as_view(), name="chains"),
    path("blocks", BlocksView.as_view(), name="blocks"),
    path("transactions", TransactionsView.as_view(), name="transactions"),
    path("balances/<str:address>", BalancesView.as_view(), name="balances"),
    path("balances/<str:address>/history", HistoryView.as_view(), name="balance-history"),
    path("balances/<str:address>/transfers", TransfersView.as_view(), name="transfers"),
    path("watches", WatchesView.as_view(), name="watches"),
    path("watches/<int:watch_id>", WatchView.as_view(), name="watch"),
]
