"""Every address of the pages: the public ones, the studio's, the library's, those of money, the account's."""

from django.urls import include, path

from gesso.web import files, frame, library, public, redeem, viewer

urlpatterns = [
    path("", public.landing, name="landing"),
    path("pricing", public.pricing, name="pricing"),
    path("robots.txt", public.robots, name="robots"),
    path("sitemap.xml", public.sitemap, name="sitemap"),
    path("favicon.ico", public.favicon, name="favicon"),
    path("theme", frame.theme, name="theme"),
    path("library", library.page, name="library"),
    path("trash", library.trash, name="trash"),
    path("images/<uuid:image_id>", viewer.page, name="image"),
    path("images/<uuid:image_id>/file", files.serve, name="image-file"),
    path("images/<uuid:image_id>/favourite", library.favourite, name="image-favourite"),
    path("images/<uuid:image_id>/trash", library.move_to_trash, name="image-trash"),
    path("images/<uuid:image_id>/restore", library.restore, name="image-restore"),
    path("generations/<uuid:generation_id>/previews/<int:index>", files.preview, name="preview"),
    path("credits/redeem", redeem.page, name="redeem"),
    path("", include("gesso.web.studio_urls")),
    path("", include("gesso.web.money.urls")),
    path("", include("gesso.web.team.urls")),
    path("", include("gesso.web.account.urls")),
]
