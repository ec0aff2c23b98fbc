"""Whoever listens hears of every movement of credits: the entry itself says so, with the transaction that writes it."""

from django.db import migrations

ANNOUNCED = """
CREATE FUNCTION credits_announce() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('gesso', json_build_object('w', workspace_id, 'k', 'balance')::text)
    FROM (SELECT DISTINCT workspace_id FROM written) AS moved;
    RETURN NULL;
END $$;
CREATE TRIGGER credits_announced AFTER INSERT ON credits_creditentry REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION credits_announce();
"""

UNDONE = """
DROP TRIGGER credits_announced ON credits_creditentry;
DROP FUNCTION credits_announce;
"""


class Migration(migrations.Migration):
    dependencies = [("credits", "0003_free_use")]
    operations = [migrations.RunSQL(ANNOUNCED, UNDONE)]
