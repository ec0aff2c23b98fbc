"""Every address below `/staff/`."""

from django.urls import path

from gesso.staff import accounts, codes, generations, images, margin, payments, reports
from gesso.staff import credits as ledger_rows
from gesso.staff.site import site

for _room in (accounts, generations, ledger_rows, codes, images, payments, reports):
    _room.register(site)

urlpatterns = [
    path("margin/", site.admin_view(margin.page), name="staff-margin"),
    path("margin/<slug:by>.csv", site.admin_view(margin.file), name="staff-margin-file"),
    path("", site.urls),
]
