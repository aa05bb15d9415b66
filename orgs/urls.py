"""The organisations' pages, under ``/orgs/``."""

from django.urls import path

from orgs.views import board, figures, keys, mail, people, settings, treasury

app_name = "orgs"

urlpatterns = [
    path("", board.board, name="board"),
    path("mine/", board.mine, name="mine"),
    path("new", board.found, name="new"),
    path("join/", board.join, name="join"),
    path("domains/", mail.domains, name="domains"),
    path("metrics/", figures.desk, name="metrics"),
    path("<slug:slug>/", figures.organisation, name="organisation"),
    path("<slug:slug>/people/", people.people, name="people"),
    path("<slug:slug>/people/<int:user_id>/role", people.change_role, name="role"),
    path("<slug:slug>/people/<int:user_id>/remove", people.remove, name="remove"),
    path("<slug:slug>/invitations/new", people.invite, name="invite"),
    path("<slug:slug>/invitations/<int:invitation_id>/withdraw", people.withdraw, name="withdraw"),
    path("<slug:slug>/keys/", keys.listed, name="keys"),
    path("<slug:slug>/keys/new", keys.make, name="key-new"),
    path("<slug:slug>/keys/<int:key_id>/revoke", keys.revoke, name="key-revoke"),
    path("<slug:slug>/treasury/", treasury.page, name="treasury"),
    path("<slug:slug>/treasury/add", treasury.add, name="treasury-add"),
    path("<slug:slug>/treasury/remove", treasury.remove, name="treasury-remove"),
    path("<slug:slug>/settings/", settings.page, name="settings"),
    path("<slug:slug>/settings/name", settings.rename, name="rename"),
    path("<slug:slug>/settings/domains/add", settings.add_domain, name="domain-add"),
    path("<slug:slug>/settings/domains/remove", settings.remove_domain, name="domain-remove"),
    path("<slug:slug>/settings/delete", settings.dissolve, name="dissolve"),
]
