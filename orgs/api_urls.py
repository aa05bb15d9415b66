"""The organisations' part of ``/api/v1/``, and the addresses of the service for mail domains that
this one replaces. Paths end without a slash."""

from django.urls import path

from orgs.api.domains import DomainView, VerdictView
from orgs.api.events import EventsView, EventView
from orgs.api.metrics import DauView, TopOrgsView
from orgs.api.stream import StreamView

urlpatterns = [
    path("events", EventsView.as_view(), name="events"),
    path("domains/<str:domain>", DomainView.as_view(), name="mail-domain"),
]

# From the root. The service itself, and the challenge it answers, name them differently.
replaced = [
    path("v1/events/<str:domain>/<str:kind>", EventView.as_view(), name="event"),
    path("events/<str:domain>/<str:kind>", EventView.as_view()),
    path("v1/domain/<str:domain>", VerdictView.as_view(), name="verdict"),
    path("domains/<str:domain>", VerdictView.as_view()),
]

# Under ``/api/metrics/``, as the system that these replace had them.
metrics = [
    path("top-orgs", TopOrgsView.as_view(), name="top-orgs"),
    path("orgs-stream", StreamView.as_view(), name="orgs-stream"),
    path("dau", DauView.as_view(), name="dau"),
]
