"""The pages of rates."""

from django.urls import path

from rates import views

app_name = "rates"

urlpatterns = [
    path("rates/", views.board, name="board"),
    path("rates/<str:code>/", views.pair, name="pair"),
]
