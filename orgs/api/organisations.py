"""Organisations over HTTP: members, invitations, domains, keys.

What is not for the caller to see is answered as what is not there: 404.
"""

from __future__ import annotations

from typing import Any, Final, cast

from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from accounts.services import presence
from foundation.csv_renderer import CSVRenderer
from foundation.queries import NamedFormats, StrictQuery
from orgs.models import ApiKey, KeyScope, Membership, Organisation, OrgRole
from orgs.services import (
    invitations,
    keys,
    memberships,
    organisations,
    rights,
)
from orgs.services.rights import Act

# A page of members or invitations; every other list here is shorter.
MAX_ROWS: Final = 1000
LISTS: Final[list[Any]] = [JSONRenderer, CSVRenderer, BrowsableAPIRenderer]
NEXT: Final = "While there are more, `Link` names the next page (`rel=next`)."
FORMAT: Final = OpenApiParameter("format", str, enum=["json", "csv"])
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
        fields = ("id", "user_id", "name", "role", "joined_at")
        read_only_fields = ("id", "user_id", "joined_at")

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


class OwnDomainSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=254)
    added_at = serializers.DateTimeField(read_only=True)


class OrgKeySerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(read_only=True)
    name = serializers.CharField(max_length=keys.MAX_NAME)
    prefix = serializers.CharField(read_only=True)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=KeyScope.choices), max_length=len(KeyScope)
    )
    created_at = serializers.DateTimeField(read_only=True)
    last_used_at = serializers.DateTimeField(read_only=True)
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class MadeOrgKeySerializer(OrgKeySerializer):
    secret = serializers.CharField(read_only=True, help_text="Shown this once.")


class PageQuery(StrictQuery):
    after = serializers.IntegerField(
        min_value=0, required=False, help_text="The last `id` of the page before."
    )
    limit = serializers.IntegerField(min_value=1, max_value=MAX_ROWS, default=MAX_ROWS)


class OrgView(APIView):
    content_negotiation_class = NamedFormats

    def user(self) -> User:
        return cast("User", self.request.user)  # the default permission lets nobody else pass

    def org(self, slug: str, act: Act = Act.VIEW) -> Organisation:
        found = rights.visible(self.user(), slug)
        rights.require(self.user(), found, act)
        return found

    def page(
        self,
        found: QuerySet[Any],
        kind: type[serializers.BaseSerializer[Any]],
        *,
        newest_first: bool = False,
    ) -> Response:
        """The rows that the request asks for; ``found`` is ordered by its key."""
        query = PageQuery(data=self.request.query_params)
        query.is_valid(raise_exception=True)
        after, limit = query.validated_data.get("after"), query.validated_data["limit"]
        if after is not None:
            found = found.filter(pk__lt=after) if newest_first else found.filter(pk__gt=after)
        rows = list(found[: limit + 1])
        headers = {}
        if len(rows) > limit:
            words = self.request.query_params.copy()
            words["after"] = str(rows[limit - 1].pk)
            address = self.request.build_absolute_uri(f"{self.request.path}?{words.urlencode()}")
            headers["Link"] = f'<{address}>; rel="next"'
        return Response(kind(rows[:limit], many=True).data, headers=headers)

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
    renderer_classes = LISTS
    csv_columns = MemberSerializer.Meta.fields

    @extend_schema(
        summary="Who belongs to it, those who joined first on top",
        description=NEXT,
        parameters=[PageQuery, FORMAT],
        responses={(200, "application/json"): MemberSerializer(many=True), **SPREADSHEET},
    )
    def get(self, request: Request, slug: str) -> Response:
        members = Membership.objects.filter(org=self.org(slug)).for_display()
        return self.page(members, MemberSerializer)


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
    renderer_classes = LISTS
    csv_columns = ("id", "role", "email", "created_at", "expires_at")

    @extend_schema(
        summary=f"Open invitations, at most {invitations.MAX_OPEN}, the newest on top",
        description=NEXT,
        parameters=[PageQuery, FORMAT],
        responses={(200, "application/json"): InvitationSerializer(many=True), **SPREADSHEET},
    )
    def get(self, request: Request, slug: str) -> Response:
        org = self.org(slug, Act.MANAGE)
        found = org.invitations.open(timezone.now())
        return self.page(found, InvitationSerializer, newest_first=True)

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
    @extend_schema(summary="Its mail domains", responses=OwnDomainSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        return Response(OwnDomainSerializer(self.org(slug).domains.all(), many=True).data)

    @extend_schema(
        summary="Add a mail domain",
        request=OwnDomainSerializer,
        responses={201: OwnDomainSerializer},
    )
    def post(self, request: Request, slug: str) -> Response:
        org = self.org(slug, Act.MANAGE)
        name = self.given(OwnDomainSerializer)["name"]
        domain = organisations.add_domain(org=org, by=self.user(), name=name)
        return Response(OwnDomainSerializer(domain).data, status=201)


class DomainView(OrgView):
    @extend_schema(summary="Remove a mail domain", responses={204: None})
    def delete(self, request: Request, slug: str, name: str) -> Response:
        org = self.org(slug, Act.MANAGE)
        organisations.remove_domain(org=org, by=self.user(), name=name)
        return Response(status=204)


class KeysView(OrgView):
    renderer_classes = LISTS
    csv_columns = tuple(OrgKeySerializer().fields)

    @extend_schema(
        summary=f"Its API keys, at most {keys.MAX_KEYS}",
        parameters=[FORMAT],
        responses={(200, "application/json"): OrgKeySerializer(many=True), **SPREADSHEET},
    )
    def get(self, request: Request, slug: str) -> Response:
        found = [_key(key) for key in self.org(slug, Act.MANAGE).api_keys.all()]
        if request.accepted_renderer.format == CSVRenderer.format:
            found = [{**row, "scopes": " ".join(row["scopes"])} for row in found]
        return Response(found)

    @extend_schema(
        summary="Make an API key, minutes after proving that it is you",
        request=OrgKeySerializer,
        responses={201: MadeOrgKeySerializer},
    )
    def post(self, request: Request, slug: str) -> Response:
        org = self.org(slug, Act.MANAGE)
        presence.require_proof(request._request)
        key, secret = keys.create(org=org, by=self.user(), **self.given(OrgKeySerializer))
        told = {**_key(key), "secret": secret}
        return Response(told, status=201, headers={"Cache-Control": "no-store"})


class KeyView(OrgView):
    @extend_schema(summary="Revoke an API key", responses={204: None})
    def delete(self, request: Request, slug: str, key_id: int) -> Response:
        keys.revoke(org=self.org(slug, Act.MANAGE), by=self.user(), key_id=key_id)
        return Response(status=204)


def _key(key: ApiKey) -> dict[str, Any]:
    return {**OrgKeySerializer(key).data, "scopes": list(key.scopes)}
