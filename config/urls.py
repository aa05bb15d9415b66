"""Every address of the product, by app."""

from allauth.account.decorators import secure_admin_login
from django.conf import settings
from django.contrib import admin
from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularAPIView

from config import views
from orgs import api_urls as orgs_api

# Limits on sign-in attempts hold at the admin's door too.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

urlpatterns = [
    path("admin/", admin.site.urls),
    path("account/", include("accounts.urls")),
    path("accounts/", include("accounts.allauth_urls")),
    # The desk knows no telephone numbers, and allauth's views fail without them.
    re_path(r"^_allauth/browser/v1/\w+/phone", views.api_not_found),
    path("_allauth/", include("allauth.headless.urls")),
    path("api/v1/", include("accounts.api_urls")),
    path("api/v1/", include("rates.api_urls")),
    path("api/v1/", include("rates.coins.api_urls")),
    path("api/v1/", include("balances.api_urls")),
    path("api/v1/", include("orgs.api_urls")),
    path("api/metrics/", include(orgs_api.metrics)),
    path("", include(orgs_api.replaced)),
    path("api/schema", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs", views.ApiDocs.as_view(), name="api-docs"),
    re_path(r"^api/", views.api_not_found),
    path("favicon.ico", views.favicon),
    path("version", views.version, name="version"),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("metrics", views.prometheus, name="metrics"),
    path("status", views.status, name="status"),
    *([path("demo/", include("demo.urls"))] if settings.DEMO else []),
    path("orgs/", include("orgs.urls")),
    path("", include("balances.urls")),
    path("", include("rates.urls")),
    path("", include("rates.coins.urls")),
]

handler400 = "config.views.bad_request"
handler500 = "config.views.server_error"
# allauth's own name for it.
handler429 = "config.views.too_many_requests"
