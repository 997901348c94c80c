-- Tells every process that listens on loopin_changes of each interrupt that is new or changes status.
CREATE OR REPLACE FUNCTION loopin_tell_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('loopin_changes', NEW.interrupt_id);
    RETURN NULL;
END
$$;

CREATE TRIGGER loopin_tell_change AFTER INSERT OR UPDATE OF status ON interrupts
    FOR EACH ROW EXECUTE FUNCTION loopin_tell_change();

-- Sorts names as SQLite does, code point by code point, whatever the database's locale.
ALTER TABLE interrupts ALTER COLUMN action_type TYPE TEXT COLLATE "C";
