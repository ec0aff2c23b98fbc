"""Addresses of the studio, a generation and its stream."""

from django.urls import path

from gesso.web import references, scripts, stream, studio, timeline

urlpatterns = [
    path("studio", studio.page, name="studio"),
    path("studio/feed", studio.feed, name="studio-feed"),
    path("studio/references", references.tray, name="studio-references"),
    path("studio/library", references.picker, name="studio-library"),
    path("generations/<uuid:generation_id>", timeline.page, name="generation"),
    path("generations/<uuid:generation_id>/card", studio.card, name="generation-card"),
    path("generations/<uuid:generation_id>/cancel", studio.cancel, name="generation-cancel"),
    path("generations/<uuid:generation_id>/retry", studio.retry, name="generation-retry"),
    path("events", stream.events, name="events"),
    path("scripts/<slug:name>-<slug:digest>.js", scripts.serve, name="scripts"),
]
