"""Organisations over HTTP: members, invitations, domains, keys, and an organisation's own metrics.

What is not for the caller to see is answered as what is not there: 404.
"""

from __future__ import annotations

from datetime import UTC, date, timedelta
from typing import Any, Final, cast

from django.urls import reverse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import TokenAuthentication
from accounts.models import User
from accounts.permissions import Scoped
from foundation.csv_renderer import CSVRenderer
from foundation.queries import MomentField, NamedFormats, StrictQuery
from orgs.authentication import KeyAuthentication
from orgs.models import ApiKey, KeyScope, Membership, Organisation, OrgRole
from orgs.services import (
    cohorts,
    invitations,
    keys,
    memberships,
    metrics,
    organisations,
    rights,
)
from orgs.services.metrics import Figure
from orgs.services.rights import Act

DEFAULT_DAYS: Final = 30
SPREADSHEET: Final[dict[Any, Any]] = {(200, "text/csv"): OpenApiTypes.STR}


class OrganisationSerializer(serializers.ModelSerializer[Organisation]):
    class Meta:
        model = Organisation
        fields = ("id", "slug", "name", "created_at")
        read_only_fields = ("id", "slug", "created_at")


class MineSerializer(serializers.ModelSerializer[Membership]):
    """An organisation of the caller's, and the caller's role in it."""

    slug = serializers.CharField(source="org.slug", read_only=True)
    name = serializers.CharField(source="org.name", read_only=True)

    class Meta:
        model = Membership
        fields = ("slug", "name", "role", "joined_at")
        read_only_fields = fields


class MemberSerializer(serializers.ModelSerializer[Membership]):
    name = serializers.SerializerMethodField()

    class Meta:
        model = Membership
        fields = ("user_id", "name", "role", "joined_at")
        read_only_fields = ("user_id", "joined_at")

    def get_name(self, membership: Membership) -> str:
        return membership.user.get_full_name() or membership.user.get_username()


class InvitationSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(read_only=True)
    role = serializers.ChoiceField(choices=OrgRole.choices, default=OrgRole.MEMBER)
    email = serializers.EmailField(required=False, allow_blank=True, default="")
    created_at = serializers.DateTimeField(read_only=True)
    expires_at = serializers.DateTimeField(read_only=True)


class InvitedSerializer(InvitationSerializer):
    link = serializers.CharField(read_only=True, help_text="Shown this once.")


class AcceptSerializer(serializers.Serializer[Any]):
    code = serializers.CharField(max_length=100, help_text="What follows the # of the link.")


class DomainSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=254)
    added_at = serializers.DateTimeField(read_only=True)


class KeySerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(read_only=True)
    name = serializers.CharField(max_length=keys.MAX_NAME)
    prefix = serializers.CharField(read_only=True)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=KeyScope.choices), max_length=len(KeyScope)
    )
    created_at = serializers.DateTimeField(read_only=True)
    last_used_at = serializers.DateTimeField(read_only=True)
    expires_at = MomentField(required=False, allow_null=True, default=None)


class MadeKeySerializer(KeySerializer):
    secret = serializers.CharField(read_only=True, help_text="Shown this once.")


class OrgView(APIView):
    def user(self) -> User:
        return cast("User", self.request.user)  # the default permission lets nobody else pass

    def org(self, slug: str, act: Act = Act.VIEW) -> Organisation:
        found = rights.visible(self.user(), slug)
        rights.require(self.user(), found, act)
        return found

    def given(self, kind: type[serializers.BaseSerializer[Any]], **more: Any) -> dict[str, Any]:
        reader = kind(data=self.request.data, **more)
        reader.is_valid(raise_exception=True)
        values: dict[str, Any] = reader.validated_data
        return values


class OrganisationsView(OrgView):
    @extend_schema(summary="The organisations you belong to", responses=MineSerializer(many=True))
    def get(self, request: Request) -> Response:
        mine = Membership.objects.filter(user=self.user()).select_related("org").order_by("id")
        return Response(MineSerializer(mine, many=True).data)

    @extend_schema(
        summary="Found an organisation, with yourself as its owner",
        request=OrganisationSerializer,
        responses={201: OrganisationSerializer},
    )
    def post(self, request: Request) -> Response:
        org = organisations.found(by=self.user(), name=self.given(OrganisationSerializer)["name"])
        return Response(OrganisationSerializer(org).data, status=201)


class OrganisationView(OrgView):
    @extend_schema(summary="An organisation", responses=OrganisationSerializer)
    def get(self, request: Request, slug: str) -> Response:
        return Response(OrganisationSerializer(self.org(slug)).data)

    @extend_schema(
        summary="Rename it; its address stays",
        request=OrganisationSerializer,
        responses=OrganisationSerializer,
    )
    def patch(self, request: Request, slug: str) -> Response:
        org = self.org(slug, Act.MANAGE)
        name = self.given(OrganisationSerializer)["name"]
        organisations.rename(org=org, by=self.user(), name=name)
        return Response(OrganisationSerializer(org).data)


class MembersView(OrgView):
    @extend_schema(summary="Who belongs to it", responses=MemberSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        members = self.org(slug).memberships.all()
        shown = Membership.objects.filter(pk__in=members).for_display()
        return Response(MemberSerializer(shown, many=True).data)


class MemberView(OrgView):
    @extend_schema(
        summary="Give a member another role", request=MemberSerializer, responses=MemberSerializer
    )
    def patch(self, request: Request, slug: str, user_id: int) -> Response:
        org = self.org(slug)
        role = OrgRole(self.given(MemberSerializer)["role"])
        changed = memberships.change_role(org=org, by=self.user(), user_id=user_id, role=role)
        return Response(MemberSerializer(changed).data)

    @extend_schema(summary="Take a member out, or leave", responses={204: None})
    def delete(self, request: Request, slug: str, user_id: int) -> Response:
        memberships.remove(org=self.org(slug), by=self.user(), user_id=user_id)
        return Response(status=204)


class InvitationsView(OrgView):
    @extend_schema(summary="Open invitations", responses=InvitationSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        org = self.org(slug, Act.MANAGE)
        found = org.invitations.filter(accepted_at=None, expires_at__gt=timezone.now())
        return Response(InvitationSerializer(found, many=True).data)

    @extend_schema(
        summary="Invite somebody, by a link or by e-mail",
        request=InvitationSerializer,
        responses={201: InvitedSerializer},
    )
    def post(self, request: Request, slug: str) -> Response:
        org = self.org(slug, Act.MANAGE)
        asked = self.given(InvitationSerializer)
        invitation, link = invitations.invite(
            org=org,
            by=self.user(),
            role=OrgRole(asked["role"]),
            email=asked["email"],
            join_url=request.build_absolute_uri(reverse("orgs:join")),
        )
        told = {**InvitationSerializer(invitation).data, "link": link}
        return Response(told, status=201, headers={"Cache-Control": "no-store"})


class InvitationView(OrgView):
    @extend_schema(summary="Withdraw an invitation", responses={204: None})
    def delete(self, request: Request, slug: str, invitation_id: int) -> Response:
        org = self.org(slug, Act.MANAGE)
        invitations.withdraw(org=org, by=self.user(), invitation_id=invitation_id)
        return Response(status=204)


class AcceptView(OrgView):
    @extend_schema(
        summary="Accept an invitation", request=AcceptSerializer, responses={200: MineSerializer}
    )
    def post(self, request: Request) -> Response:
        membership = invitations.accept(
            user=self.user(), secret=self.given(AcceptSerializer)["code"].strip()
        )
        return Response(MineSerializer(membership).data)


class DomainsView(OrgView):
    @extend_schema(summary="Its mail domains", responses=DomainSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        return Response(DomainSerializer(self.org(slug).domains.all(), many=True).data)

    @extend_schema(
        summary="Add a mail domain", request=DomainSerializer, responses={201: DomainSerializer}
    )
    def post(self, request: Request, slug: str) -> Response:
        org = self.org(slug, Act.MANAGE)
        name = self.given(DomainSerializer)["name"]
        domain = organisations.add_domain(org=org, by=self.user(), name=name)
        return Response(DomainSerializer(domain).data, status=201)


class DomainView(OrgView):
    @extend_schema(summary="Remove a mail domain", responses={204: None})
    def delete(self, request: Request, slug: str, name: str) -> Response:
        org = self.org(slug, Act.MANAGE)
        organisations.remove_domain(org=org, by=self.user(), name=name)
        return Response(status=204)


class KeysView(OrgView):
    @extend_schema(summary="Its API keys", responses=KeySerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        found = self.org(slug, Act.MANAGE).api_keys.all()
        return Response([_key(key) for key in found])

    @extend_schema(
        summary="Make an API key", request=KeySerializer, responses={201: MadeKeySerializer}
    )
    def post(self, request: Request, slug: str) -> Response:
        org = self.org(slug, Act.MANAGE)
        key, secret = keys.create(org=org, by=self.user(), **self.given(KeySerializer))
        told = {**_key(key), "secret": secret}
        return Response(told, status=201, headers={"Cache-Control": "no-store"})


class KeyView(OrgView):
    @extend_schema(summary="Revoke an API key", responses={204: None})
    def delete(self, request: Request, slug: str, key_id: int) -> Response:
        keys.revoke(org=self.org(slug, Act.MANAGE), by=self.user(), key_id=key_id)
        return Response(status=204)


class ReadsOwnMetrics(BasePermission):
    """A key with the scope ``metrics``, or somebody who is signed in or sends a token."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if isinstance(request.auth, ApiKey):
            if KeyScope.METRICS not in request.auth.scopes:
                raise PermissionDenied("This needs the scope metrics.", code="insufficient_scope")
            return True
        if not IsAuthenticated().has_permission(request, view):
            raise NotAuthenticated
        return Scoped().has_permission(request, view)


class DaysQuery(StrictQuery):
    days = serializers.IntegerField(min_value=1, max_value=metrics.MAX_DAYS, default=DEFAULT_DAYS)


class OrgMetricsView(OrgView):
    """An organisation's own figures, for its members, its keys and the desk's managers."""

    authentication_classes = [KeyAuthentication, TokenAuthentication, SessionAuthentication]
    permission_classes = [ReadsOwnMetrics]
    content_negotiation_class = NamedFormats
    renderer_classes = [JSONRenderer, CSVRenderer, BrowsableAPIRenderer]

    def org(self, slug: str, act: Act = Act.VIEW) -> Organisation:
        key = self.request.auth
        if not isinstance(key, ApiKey):
            return super().org(slug, act)
        found = Organisation.objects.filter(pk=key.org_id, slug=slug).first()
        if found is None:
            raise rights.missing()
        return found

    def rows(self, rows: list[dict[str, Any]]) -> Response:
        is_csv = getattr(self.request.accepted_renderer, "format", "") == "csv"
        headers = {"Cache-Control": "private, max-age=60"}
        return Response(rows if is_csv else {"data": rows}, headers=headers)


class HeadlineView(OrgMetricsView):
    renderer_classes = [JSONRenderer, BrowsableAPIRenderer]

    @extend_schema(
        summary="Daily, weekly and monthly users, and stickiness, beside the period before",
        responses={(200, "application/json"): OpenApiTypes.OBJECT},
    )
    def get(self, request: Request, slug: str) -> Response:
        found = metrics.headline(self.org(slug).pk, today())
        names = ("dau", "wau", "mau", "stickiness", "actions")
        told = {name: _figure(getattr(found, name)) for name in names}
        headers = {"Cache-Control": "private, max-age=60"}
        return Response({"day": found.day.isoformat(), **told}, headers=headers)


class DaysView(OrgMetricsView):
    csv_columns = ("date", "dau", "actions")

    @extend_schema(
        summary="Daily users and actions, oldest day first, today included (UTC)",
        parameters=[DaysQuery],
        responses={(200, "application/json"): OpenApiTypes.OBJECT, **SPREADSHEET},
    )
    def get(self, request: Request, slug: str) -> Response:
        query = DaysQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        last = today()
        first = last - timedelta(days=query.validated_data["days"] - 1)
        return self.rows(
            [
                {"date": day.day.isoformat(), "dau": day.dau, "actions": day.actions}
                for day in metrics.org_days(self.org(slug).pk, first=first, last=last)
            ]
        )


class LifecycleView(OrgMetricsView):
    @extend_schema(
        summary="New, returning, resurrected and dormant users of twelve weeks",
        responses={(200, "application/json"): OpenApiTypes.OBJECT, **SPREADSHEET},
    )
    def get(self, request: Request, slug: str) -> Response:
        return self.rows(
            [
                {
                    "weekEnding": week.last.isoformat(),
                    "new": week.new,
                    "returning": week.returning,
                    "resurrected": week.resurrected,
                    "dormant": week.dormant,
                }
                for week in cohorts.lifecycle(self.org(slug).pk, today())
            ]
        )


class RetentionView(OrgMetricsView):
    @extend_schema(
        summary="Of the users first seen in a week, how many were active in each week since",
        responses={(200, "application/json"): OpenApiTypes.OBJECT, **SPREADSHEET},
    )
    def get(self, request: Request, slug: str) -> Response:
        found = cohorts.retention(self.org(slug).pk, today())
        is_csv = getattr(request.accepted_renderer, "format", "") == "csv"
        return self.rows([(_flat if is_csv else _nested)(cohort) for cohort in found])


def today() -> date:
    return timezone.now().astimezone(UTC).date()


def _figure(figure: Figure) -> dict[str, float | None]:
    return {"value": figure.now, "before": figure.before, "growth": figure.growth}


def _key(key: ApiKey) -> dict[str, Any]:
    return {**KeySerializer(key).data, "scopes": list(key.scopes)}


def _nested(cohort: cohorts.Cohort) -> dict[str, Any]:
    return {
        "weekEnding": cohort.last.isoformat(),
        "size": cohort.size,
        "active": cohort.active,
    }


def _flat(cohort: cohorts.Cohort) -> dict[str, Any]:
    """A line of the triangle; weeks that have not been yet are empty."""
    weeks: dict[str, Any] = dict.fromkeys((f"week{number}" for number in range(cohorts.WEEKS)), "")
    weeks.update({f"week{number}": count for number, count in enumerate(cohort.active)})
    return {"weekEnding": cohort.last.isoformat(), "size": cohort.size, **weeks}
