"""Organisations over HTTP: members, invitations, domains, keys.

What is not for the caller to see is answered as what is not there: 404.
"""

from __future__ import annotations

from typing import Any, cast

from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from accounts.services import presence
from orgs.models import ApiKey, KeyScope, Membership, Organisation, OrgRole
from orgs.services import (
    invitations,
    keys,
    memberships,
    organisations,
    rights,
)
from orgs.services.rights import Act


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
    @extend_schema(summary="Its API keys", responses=OrgKeySerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        found = self.org(slug, Act.MANAGE).api_keys.all()
        return Response([_key(key) for key in found])

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
