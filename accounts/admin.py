"""People, for administrators. What makes somebody powerful is for superusers to give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from accounts.models import ApiToken, SecurityEvent, User
from accounts.services import deletion, staff
from foundation.errors import QuaysideError

if TYPE_CHECKING:
    People = UserAdmin[User]
    Tokens = admin.ModelAdmin[ApiToken]
    Events = admin.ModelAdmin[SecurityEvent]
    PasswordForm = AdminPasswordChangeForm[User]
else:
    People = UserAdmin
    Tokens = admin.ModelAdmin
    Events = admin.ModelAdmin
    PasswordForm = AdminPasswordChangeForm


GOES = "Goes: sessions, wallets, ways to sign in, tokens, and what other pages keep of theirs."
STAYS = "Stays: what they did to the desk, under a number instead of a name."


class NewPassword(PasswordForm):
    def save(self, commit: bool = True) -> User:
        user: User = super().save(commit)
        staff.password_was_set(user)
        return user


@admin.register(User)
class PersonAdmin(People):
    change_password_form = NewPassword

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change and "is_active" in form.changed_data:
            staff.was_switched(obj)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if change and {"groups", "is_staff", "is_superuser"} & set(form.changed_data):
            staff.roles_were_changed(form.instance)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        fields = list(super().get_readonly_fields(request, obj))
        if not request.user.is_superuser:
            fields += ["is_superuser", "user_permissions"]
        return fields

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Whoever may set a superuser's password is one."""
        if obj is not None and self._is_above(request, obj):
            return False
        return super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        # One's own account is closed on its page, which also ends the session that asks.
        if obj is not None and (obj == request.user or self._is_above(request, obj)):
            return False
        return super().has_delete_permission(request, obj)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Accounts are closed one by one: each may be refused for a reason of its own."""
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            return super().delete_view(request, object_id, extra_context)
        except QuaysideError as refused:
            messages.error(request, refused.message)
            return redirect("admin:accounts_user_change", object_id)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[Any]]:
        """What closing takes along; whoever may close an account may close all of it."""
        return [[str(user), [GOES, STAYS]] for user in objs], {}, set(), []

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        deletion.close(obj)

    @staticmethod
    def _is_above(request: HttpRequest, obj: User) -> bool:
        return obj.is_superuser and not request.user.is_superuser


@admin.register(ApiToken)
class ApiTokenAdmin(Tokens):
    """Who has which tokens, to revoke one that leaked. They are made by their owners only."""

    list_display = ["prefix", "name", "user", "scopes", "last_used_at", "expires_at"]
    list_select_related = ["user"]
    search_fields = ["prefix", "name", "user__username"]
    fields = ["prefix", "name", "user", "scopes", "created_at", "last_used_at", "expires_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(SecurityEvent)
class SecurityEventAdmin(Events):
    """What happened to whose account, to read: for finding out how somebody lost theirs."""

    list_display = ["at", "user", "kind", "detail", "ip", "agent"]
    list_filter = ["kind"]
    list_select_related = ["user"]
    search_fields = ["user__username", "user__email", "ip", "detail"]
    search_help_text = "User name, e-mail address, IP address, or what it was about."
    ordering = ["-id"]
    # The log grows for ever; counting it would be the slowest part of the page.
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
