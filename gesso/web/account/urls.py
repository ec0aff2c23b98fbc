"""Addresses of signing in (allauth's, under /accounts/), of one-time links, and of the settings pages."""

from django.urls import include, path

from gesso.web.account import entering, keys, people, profile

urlpatterns = [
    path("owner/<str:secret>", entering.owner, name="owner-link"),
    path("sign-in/<str:secret>", entering.sign_in, name="sign-in-link"),
    path("settings", profile.page, name="settings"),
    path("settings/keys", keys.page, name="settings-keys"),
    path("settings/keys/<int:key_id>/revoke", keys.revoke, name="settings-key-revoke"),
    path("settings/people", people.page, name="settings-people"),
    path("accounts/sessions/", include("allauth.usersessions.urls")),
    path("accounts/", include("allauth.urls")),
]
