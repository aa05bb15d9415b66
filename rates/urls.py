"""The pages of rates."""

from django.urls import path
from django.views.generic import RedirectView

from rates import views

app_name = "rates"

urlpatterns = [
    # Until there is an overview, the board is what a visitor came for.
    path("", RedirectView.as_view(pattern_name="rates:board")),
    path("rates/", views.board, name="board"),
    path("rates/<str:code>/", views.pair, name="pair"),
]
