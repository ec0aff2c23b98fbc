"""Every address, door by door."""

from django.urls import include, path

from gesso.config import health

urlpatterns = [
    path("livez", health.livez),
    path("readyz", health.readyz),
    path("", include("gesso.api.urls")),
    path("", include("gesso.webhooks.urls")),
    path("staff/", include("gesso.staff.urls")),
    path("", include("gesso.web.urls")),
]

handler400 = "gesso.web.errors.bad_request"
handler403 = "gesso.web.errors.forbidden"
handler404 = "gesso.web.errors.not_found"
handler429 = "gesso.web.errors.too_many"  # allauth's, not Django's
handler500 = "gesso.web.errors.server_error"
