"""Roles: groups with the rights that the apps name, and what administrators cannot give."""

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.urls import reverse

from accounts.models import User
from accounts.services import roles
from accounts.services.roles import Role

pytestmark = pytest.mark.django_db


def rights_of(role):
    found = Group.objects.get(name=role).permissions
    return {
        f"{app}.{name}" for app, name in found.values_list("content_type__app_label", "codename")
    }


@pytest.fixture
def administrator(client):
    user = User.objects.create_user("administrator", is_staff=True)
    roles.join(user, Role.ADMINISTRATOR)
    client.force_login(user)
    return user


@pytest.mark.parametrize("role", Role)
def test_after_a_migration_each_role_has_what_the_apps_named(role):
    assert rights_of(role) == roles.RIGHTS[role]


def test_customers_begin_without_rights_and_managers_only_see():
    assert rights_of(Role.CUSTOMER) == set()
    assert rights_of(Role.MANAGER) == {"orgs.view_organisation"}


def test_what_an_administrator_took_away_stays_away():
    group = Group.objects.get(name=Role.ADMINISTRATOR)
    group.permissions.remove(Permission.objects.get(codename="add_user"))
    roles.settle(apps.get_app_config("accounts"))
    assert "accounts.add_user" not in rights_of(Role.ADMINISTRATOR)


def test_a_right_that_is_new_is_given():
    Permission.objects.get(codename="view_apitoken").delete()
    roles.settle(apps.get_app_config("accounts"))
    assert "accounts.view_apitoken" in rights_of(Role.ADMINISTRATOR)


def test_a_group_that_was_deleted_comes_back_with_its_rights():
    Group.objects.get(name=Role.ADMINISTRATOR).delete()
    roles.settle(apps.get_app_config("accounts"))
    assert rights_of(Role.ADMINISTRATOR) == roles.RIGHTS[Role.ADMINISTRATOR]


def test_who_signs_up_is_a_customer(client):
    form = {"email": "new@example.com", "password1": "correct horse", "password2": "correct horse"}
    client.post(reverse("account_signup"), form)
    assert User.objects.get().groups.get().name == Role.CUSTOMER


def test_seeing_is_not_acting():
    user = User.objects.create_user("manager")
    roles.join(user, Role.MANAGER)
    assert rights_of(Role.MANAGER) <= rights_of(Role.OPERATOR)
    assert not roles.holds(User.objects.get(), Role.OPERATOR)


def change(client, user, **given):
    form = {"username": user.username, "date_joined_0": "2026-01-01", "date_joined_1": "00:00"}
    url = reverse("admin:accounts_user_change", args=[user.pk])
    return client.post(url, form | {"is_active": "on"} | given)


def test_an_administrator_makes_no_superuser_and_hands_out_no_rights(client, administrator):
    permission = Permission.objects.get(codename="delete_user").pk
    saved = change(client, administrator, is_superuser="on", user_permissions=[permission])
    assert saved.status_code == 302
    administrator.refresh_from_db()
    assert not administrator.is_superuser
    assert not administrator.user_permissions.exists()


def test_an_administrator_does_not_touch_a_superuser(client, administrator):
    root = User.objects.create_superuser("root", password="x")
    assert change(client, root, username="mine").status_code == 403
    password = reverse("admin:auth_user_password_change", args=[root.pk])
    assert client.post(password, {"password1": "a", "password2": "a"}).status_code == 403
    root.refresh_from_db()
    assert (root.username, root.check_password("x")) == ("root", True)
