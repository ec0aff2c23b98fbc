"""Whoever listens hears of every line of a timeline: the line itself says so, with the transaction that writes it."""

from django.db import migrations

ANNOUNCED = """
CREATE FUNCTION generations_announce() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('gesso', json_build_object('w', workspace_id, 'k', 'generation', 'g', id)::text)
    FROM generations_generation WHERE id = NEW.generation_id;
    RETURN NULL;
END $$;
CREATE TRIGGER generations_announced AFTER INSERT ON generations_generationevent
    FOR EACH ROW EXECUTE FUNCTION generations_announce();
"""

UNDONE = """
DROP TRIGGER generations_announced ON generations_generationevent;
DROP FUNCTION generations_announce;
"""


class Migration(migrations.Migration):
    dependencies = [("generations", "0005_approval_mail")]
    operations = [migrations.RunSQL(ANNOUNCED, UNDONE)]
