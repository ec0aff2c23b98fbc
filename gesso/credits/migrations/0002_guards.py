"""What the database itself refuses about credits: a rewritten entry, a hold that its parts don't add up to."""

from django.db import migrations

ENTRIES = """
CREATE FUNCTION credits_entries_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'entries of the ledger are append-only' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER credits_entries BEFORE UPDATE OR DELETE ON credits_creditentry
    FOR EACH ROW EXECUTE FUNCTION credits_entries_are_append_only();
CREATE TRIGGER credits_entries_whole BEFORE TRUNCATE ON credits_creditentry
    FOR EACH STATEMENT EXECUTE FUNCTION credits_entries_are_append_only();
"""

HOLDS = """
CREATE FUNCTION credits_check_hold() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    row record;
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.state = 'closed' AND ROW(NEW.*) IS DISTINCT FROM ROW(OLD.*) THEN
        RAISE EXCEPTION 'hold % has ended and stays as it is', OLD.reference USING ERRCODE = 'check_violation';
    END IF;
    SELECT hold.amount, hold.captured, hold.released, coalesce(sum(part.amount), 0) AS parts,
           coalesce(sum(part.captured), 0) AS parts_captured, coalesce(sum(part.released), 0) AS parts_released
    INTO row FROM credits_credithold AS hold LEFT JOIN credits_holdpart AS part ON part.hold_id = hold.id
    WHERE hold.id = NEW.id GROUP BY hold.id;
    IF row.amount <> row.parts OR row.captured <> row.parts_captured OR row.released <> row.parts_released THEN
        RAISE EXCEPTION 'hold % is %, its parts are not', NEW.reference, row USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER credits_hold AFTER INSERT OR UPDATE ON credits_credithold DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION credits_check_hold();
"""


class Migration(migrations.Migration):
    dependencies = [("credits", "0001_initial")]
    operations = [migrations.RunSQL(ENTRIES), migrations.RunSQL(HOLDS)]
