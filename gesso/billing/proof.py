"""Money, proved: whether orders, payments, what was taken back and limits agree with each other and with the ledger.

Each function returns what doesn't. Nothing asks a gateway: that is reconciliation.
"""

from collections.abc import Sequence

from django.db import connection

from gesso.core import catalog
from gesso.core.violations import Violation

_BOUGHT = """
SELECT payment.id, payment.order_id FROM billing_payment AS payment
JOIN billing_order AS "order" ON "order".id = payment.order_id
LEFT JOIN billing_subscription AS plan ON plan.id = payment.subscription_id
WHERE (payment.workspace_id, payment.gateway, payment.live, payment.currency)
        IS DISTINCT FROM ("order".workspace_id, "order".gateway, "order".live, "order".currency)
    OR plan.id IS NOT NULL AND (plan.order_id, plan.workspace_id) <> ("order".id, "order".workspace_id)
    OR payment.reason IN ('pack', 'first') AND (payment.amount, payment.credits) <> ("order".amount, "order".credits)
    OR (payment.reason = 'pack') <> ("order".kind = 'pack')
"""
_GRANTED = """
SELECT payment.id, payment.credits, lot.id, lot.amount FROM billing_payment AS payment
JOIN billing_order AS "order" ON "order".id = payment.order_id
LEFT JOIN credits_creditgrant AS lot ON lot.id = payment.grant_id
WHERE payment.credits > 0
    AND (lot.workspace_id, lot.source, lot.amount, lot.reference) IS DISTINCT FROM (
        payment.workspace_id, "order".kind, payment.credits::bigint,
        'payment:' || payment.gateway || ':' || payment.external_id)
"""
_UNPAID_GRANTS = """
SELECT lot.id, lot.amount, lot.reference FROM credits_creditgrant AS lot
LEFT JOIN billing_payment AS payment ON payment.grant_id = lot.id
WHERE lot.reference LIKE 'payment:%%' AND payment.id IS NULL
"""
_PAID = """
SELECT "order".id, "order".state, count(payment.id) FROM billing_order AS "order"
LEFT JOIN billing_payment AS payment ON payment.order_id = "order".id
GROUP BY "order".id HAVING ("order".state = 'paid') <> (count(payment.id) > 0)
    OR "order".kind = 'pack' AND count(payment.id) > 1
"""
_CLAIMED = """
SELECT id, claimed, refunded, dispute FROM billing_payment WHERE claimed <> CASE
    WHEN dispute IN ('open', 'lost') THEN credits
    WHEN amount = 0 THEN 0
    ELSE credits::bigint * refunded / amount END
"""
_TAKEN = """
WITH taken AS (
    SELECT split_part(reference, ':', 2)::bigint AS payment_id, sum(amount) AS amount FROM credits_creditentry
    WHERE reference LIKE 'taken:%%' AND kind IN ('revoke', 'debt') GROUP BY 1
), again AS (
    SELECT split_part(reference, ':', 2)::bigint AS payment_id, sum(amount) AS amount FROM credits_creditgrant
    WHERE reference LIKE 'again:%%' GROUP BY 1
)
SELECT coalesce(payment.id, taken.payment_id, again.payment_id), coalesce(payment.taken_back, 0),
       coalesce(taken.amount, 0) - coalesce(again.amount, 0)
FROM billing_payment AS payment
FULL JOIN taken ON taken.payment_id = payment.id
FULL JOIN again ON again.payment_id = coalesce(payment.id, taken.payment_id)
WHERE coalesce(payment.taken_back, 0) <> coalesce(taken.amount, 0) - coalesce(again.amount, 0)
"""
_LIMITS = """
SELECT workspace.id, plan.name, workspace.concurrent FROM accounts_workspace AS workspace
LEFT JOIN billing_subscription AS plan ON plan.workspace_id = workspace.id AND plan.state <> 'ended'
WHERE plan.id IS NULL AND (workspace.concurrent IS NOT NULL OR workspace.members_most IS NOT NULL)
    OR plan.plan = ANY (%s) AND workspace.concurrent IS NULL
"""


def paid_once() -> list[Violation]:
    """I-15: a paid order is credited once, with what was agreed; what went back is what the ledger says went back."""
    plans = [plan.id for plan in catalog.current().plans]
    return [
        *(_found(f"payment {r[0]}", f"is not what order {r[1]} asked for.") for r in _rows(_BOUGHT)),
        *(
            _found(f"payment {r[0]}", f"brought {r[1]} credits, its grant {r[2]} is another ({r[3]}).")
            for r in _rows(_GRANTED)
        ),
        *(_found(f"grant {r[0]}", f"of {r[1]} credits names {r[2]}, which is none.") for r in _rows(_UNPAID_GRANTS)),
        *(_found(f"order {r[0]}", f"is {r[1]} with {r[2]} payments.") for r in _rows(_PAID)),
        *(
            _found(f"payment {r[0]}", f"claims {r[1]} credits; {r[2]} went back, dispute: {r[3] or 'none'}.")
            for r in _rows(_CLAIMED)
        ),
        *(_found(f"payment {r[0]}", f"has {r[1]} taken back, entries say {r[2]}.") for r in _rows(_TAKEN)),
        *(
            _found(
                f"workspace {r[0]}", f"has the plan {r[1] or 'none'} and may run {r[2] or 'as many as all'} at once."
            )
            for r in _rows(_LIMITS, [plans])
        ),
    ]


def _found(subject: str, sentence: str) -> Violation:
    return Violation("I-15", subject, sentence)


def _rows(query: str, values: Sequence[list[str]] = ()) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return list(cursor.fetchall())
