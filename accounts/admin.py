"""People, for administrators. What makes somebody powerful is for superusers to give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm
from django.http import HttpRequest

from accounts.models import ApiToken, SecurityEvent, User
from accounts.services import staff

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
        if obj is not None and obj.is_superuser and not request.user.is_superuser:
            return False
        return super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        if obj is not None and obj.is_superuser and not request.user.is_superuser:
            return False
        return super().has_delete_permission(request, obj)


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
