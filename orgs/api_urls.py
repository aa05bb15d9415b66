"""The organisations' part of ``/api/v1/``, and the addresses of the service for mail domains that
this one replaces. Paths end without a slash."""

from django.urls import path

from orgs.api import organisations, own_metrics, treasury
from orgs.api.domains import DomainView, VerdictView
from orgs.api.events import EventsView, EventView
from orgs.api.mail_domains import MailDomainsView
from orgs.api.metrics import DauView, TopOrgsView
from orgs.api.stream import StreamView

urlpatterns = [
    path("events", EventsView.as_view(), name="events"),
    path("domains", MailDomainsView.as_view(), name="mail-domains"),
    path("domains/<str:domain>", DomainView.as_view(), name="mail-domain"),
    path("orgs", organisations.OrganisationsView.as_view(), name="orgs"),
    path("orgs/invitations/accept", organisations.AcceptView.as_view(), name="org-accept"),
    path("orgs/<slug:slug>", organisations.OrganisationView.as_view(), name="org"),
    path("orgs/<slug:slug>/members", organisations.MembersView.as_view()),
    path("orgs/<slug:slug>/members/<int:user_id>", organisations.MemberView.as_view()),
    path("orgs/<slug:slug>/invitations", organisations.InvitationsView.as_view()),
    path(
        "orgs/<slug:slug>/invitations/<int:invitation_id>", organisations.InvitationView.as_view()
    ),
    path("orgs/<slug:slug>/domains", organisations.DomainsView.as_view()),
    path("orgs/<slug:slug>/domains/<str:name>", organisations.DomainView.as_view()),
    path("orgs/<slug:slug>/treasury", treasury.TreasuryView.as_view()),
    path("orgs/<slug:slug>/treasury/<str:address>", treasury.TreasuryAddressView.as_view()),
    path("orgs/<slug:slug>/keys", organisations.KeysView.as_view()),
    path("orgs/<slug:slug>/keys/<int:key_id>", organisations.KeyView.as_view()),
    path("orgs/<slug:slug>/metrics", own_metrics.HeadlineView.as_view()),
    path("orgs/<slug:slug>/days", own_metrics.DaysView.as_view()),
    path("orgs/<slug:slug>/lifecycle", own_metrics.LifecycleView.as_view()),
    path("orgs/<slug:slug>/retention", own_metrics.RetentionView.as_view()),
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
