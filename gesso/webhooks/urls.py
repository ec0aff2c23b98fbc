"""The addresses that gateways are given."""

from django.urls import path

from gesso.webhooks import views

urlpatterns = [path("webhooks/<slug:gateway>", views.receive, name="webhook")]
