DROP INDEX callbacks_due;
ALTER TABLE interrupts DROP COLUMN callback_due_ms;
ALTER TABLE interrupts DROP COLUMN callback_tries;

-- What a human is asked, and what has happened, does not change any more.
CREATE OR REPLACE FUNCTION loopin_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what was asked and what has happened cannot be changed';
END
$$;

CREATE TRIGGER interrupts_stay BEFORE UPDATE OF interrupt_id, agent_id, user_id, action, context,
    urgency, created_ms, expires_ms, callback_url, payload_digest ON interrupts
    FOR EACH ROW EXECUTE FUNCTION loopin_refuse_change();

CREATE TRIGGER events_stay BEFORE UPDATE ON events
    FOR EACH ROW EXECUTE FUNCTION loopin_refuse_change();
