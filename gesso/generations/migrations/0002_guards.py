"""What the database itself refuses about generations: states off the graph, a rewritten timeline, a wrong bill.

The bill (I-9, REQ-09) is a deferred constraint: at every commit that ended a generation or changed one of its slots
afterwards, captured minus returned must be price_each x visible outputs, and the hold must be closed.
"""

from django.db import migrations

STATES = """
CREATE FUNCTION generations_check_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> OLD.state AND NOT (
        OLD.state = 'queued' AND NEW.state IN ('running', 'failed', 'canceled')
        OR OLD.state = 'running' AND NEW.state IN ('succeeded', 'failed', 'canceled')
    ) THEN
        RAISE EXCEPTION 'generation % may not go from % to %', OLD.id, OLD.state, NEW.state USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.lease_epoch < OLD.lease_epoch THEN
        RAISE EXCEPTION 'the lease epoch of generation % may not go back', OLD.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER generations_state BEFORE UPDATE OF state, lease_epoch ON generations_generation
    FOR EACH ROW EXECUTE FUNCTION generations_check_state();

CREATE FUNCTION generations_check_output_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> OLD.state AND NOT (
        OLD.state = 'open' AND NEW.state IN ('delivered', 'failed') OR OLD.state = 'delivered' AND NEW.state = 'withdrawn'
    ) THEN
        RAISE EXCEPTION 'output % may not go from % to %', OLD.id, OLD.state, NEW.state USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER generations_output_state BEFORE UPDATE OF state ON generations_output
    FOR EACH ROW EXECUTE FUNCTION generations_check_output_state();

CREATE FUNCTION generations_check_attempt_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> OLD.state AND NOT (
        OLD.state = 'sending' AND NEW.state IN ('accepted', 'finished', 'failed', 'unknown')
        OR OLD.state = 'accepted' AND NEW.state IN ('finished', 'failed', 'unknown')
    ) THEN
        RAISE EXCEPTION 'attempt % may not go from % to %', OLD.id, OLD.state, NEW.state USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER generations_attempt_state BEFORE UPDATE OF state ON generations_attempt
    FOR EACH ROW EXECUTE FUNCTION generations_check_attempt_state();
"""

TIMELINE = """
CREATE FUNCTION generations_timeline_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the timeline is append-only' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER generations_timeline BEFORE UPDATE OR DELETE ON generations_generationevent
    FOR EACH ROW EXECUTE FUNCTION generations_timeline_is_append_only();
CREATE TRIGGER generations_timeline_whole BEFORE TRUNCATE ON generations_generationevent
    FOR EACH STATEMENT EXECUTE FUNCTION generations_timeline_is_append_only();
"""

BILL = """
CREATE FUNCTION generations_check_bill(number uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    row record;
BEGIN
    SELECT generation.ended_at, generation.price_each, hold.amount, hold.captured, hold.released,
           (SELECT coalesce(sum(part.returned), 0) FROM credits_holdpart AS part WHERE part.hold_id = hold.id) AS returned,
           (SELECT count(*) FROM generations_output AS output
            WHERE output.generation_id = generation.id AND output.state = 'delivered') AS visible,
           (SELECT count(*) FROM generations_output AS output
            WHERE output.generation_id = generation.id AND output.state = 'open') AS open
    INTO row
    FROM generations_generation AS generation JOIN credits_credithold AS hold ON hold.id = generation.hold_id
    WHERE generation.id = number;
    IF row.ended_at IS NULL THEN
        RETURN;
    END IF;
    IF row.open > 0 OR row.captured + row.released <> row.amount
       OR row.captured - row.returned <> row.price_each * row.visible THEN
        RAISE EXCEPTION 'generation % ended with % open and % visible outputs at % each, held %, captured %, released %, returned %',
            number, row.open, row.visible, row.price_each, row.amount, row.captured, row.released, row.returned
            USING ERRCODE = 'check_violation';
    END IF;
END $$;
CREATE FUNCTION generations_bill_of_generation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM generations_check_bill(NEW.id);
    RETURN NULL;
END $$;
CREATE FUNCTION generations_bill_of_output() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM generations_check_bill(NEW.generation_id);
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER generations_bill AFTER UPDATE ON generations_generation DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.ended_at IS NOT NULL) EXECUTE FUNCTION generations_bill_of_generation();
CREATE CONSTRAINT TRIGGER generations_output_bill AFTER UPDATE ON generations_output DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.state IN ('withdrawn', 'failed') AND OLD.state <> NEW.state) EXECUTE FUNCTION generations_bill_of_output();
"""


class Migration(migrations.Migration):
    dependencies = [("generations", "0001_initial"), ("credits", "0001_initial")]
    operations = [migrations.RunSQL(STATES), migrations.RunSQL(TIMELINE), migrations.RunSQL(BILL)]
