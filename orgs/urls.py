"""The organisations' pages, under ``/orgs/``."""

from django.urls import path

from orgs import views

app_name = "orgs"

urlpatterns = [
    path("", views.board, name="board"),
    path("new", views.found, name="new"),
    path("join/", views.join, name="join"),
    path("metrics/", views.desk, name="metrics"),
    path("<slug:slug>/", views.organisation, name="organisation"),
]
