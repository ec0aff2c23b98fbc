"""Addresses of the pages of money: the balance, buying, orders, the plan, receipts, the test checkout."""

from django.urls import path

from gesso.web import credits as balances
from gesso.web.money import buying, order, overview, plan, receipts, statement, test_checkout

urlpatterns = [
    path("credits", overview.page, name="credits"),
    path("credits/balance", balances.balance_fragment, name="credits-balance"),
    path("credits/statement.csv", statement.download, name="credits-statement-file"),
    path("credits/buy", buying.page, name="credits-buy"),
    path("credits/orders/<uuid:order_id>", order.page, name="credits-order"),
    path("credits/orders/<uuid:order_id>/state", order.state, name="credits-order-state"),
    path("credits/plan", plan.page, name="credits-plan"),
    path("credits/plan/change", plan.change, name="credits-plan-change"),
    path("credits/plan/cancel", plan.cancel, name="credits-plan-cancel"),
    path("credits/plan/resume", plan.resume, name="credits-plan-resume"),
    path("credits/plan/portal", plan.portal, name="credits-plan-portal"),
    path("credits/receipts", receipts.listing, name="credits-receipts"),
    path("credits/receipts.csv", receipts.download, name="credits-receipts-file"),
    path("credits/receipts/<int:number>", receipts.page, name="credits-receipt"),
    path("test-checkout/<uuid:order_id>", test_checkout.page, name="test-checkout"),
]
