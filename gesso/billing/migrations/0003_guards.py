"""What the database itself refuses about money: another price for an order, a receipt rewritten, any of them deleted."""

from django.db import migrations

# Each table with the columns that stay as they were written.
AGREED = {
    "billing_order": "id workspace_id gateway live kind item name credits amount currency created_at",
    "billing_subscription": "id workspace_id order_id gateway external_id currency created_at",
    "billing_planchange": "id subscription_id plan name credits amount from_name from_credits from_amount created_at",
    "billing_payment": "id workspace_id order_id subscription_id gateway live external_id reason name credits amount "
    "currency method grant_id change_id paid_at period_end created_at",
}
KEPT = ("billing_order", "billing_subscription", "billing_payment")

REFUSE = """
CREATE FUNCTION billing_is_agreed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what was agreed in % stays as it is', TG_TABLE_NAME USING ERRCODE = 'check_violation';
END $$;
"""


def guards() -> str:
    """Return the triggers, table by table."""
    statements = [REFUSE]
    for table, columns in AGREED.items():
        names = columns.split()
        old, new = (", ".join(f"{row}.{name}" for name in names) for row in ("OLD", "NEW"))
        statements.append(
            f"CREATE TRIGGER {table}_agreed BEFORE UPDATE ON {table} FOR EACH ROW"
            f" WHEN (ROW({new}) IS DISTINCT FROM ROW({old})) EXECUTE FUNCTION billing_is_agreed();"
        )
    for table in KEPT:
        statements.append(
            f"CREATE TRIGGER {table}_kept BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION billing_is_agreed();"
            f"CREATE TRIGGER {table}_whole BEFORE TRUNCATE ON {table} FOR EACH STATEMENT"
            " EXECUTE FUNCTION billing_is_agreed();"
        )
    return "\n".join(statements)


class Migration(migrations.Migration):
    dependencies = [("billing", "0002_agreed")]
    operations = [migrations.RunSQL(guards())]
