DROP INDEX callbacks_due;
ALTER TABLE interrupts DROP COLUMN callback_due_ms;
ALTER TABLE interrupts DROP COLUMN callback_tries;

-- What a human is asked, and what has happened, does not change any more.
CREATE TRIGGER interrupts_stay BEFORE UPDATE OF interrupt_id, agent_id, user_id, action, context,
    urgency, created_ms, expires_ms, callback_url, payload_digest ON interrupts
BEGIN
    SELECT RAISE(ABORT, 'what a human is asked cannot be changed');
END;

CREATE TRIGGER events_stay BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ABORT, 'an event cannot be changed');
END;
