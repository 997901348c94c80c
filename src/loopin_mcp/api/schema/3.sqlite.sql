DROP INDEX callbacks_due;
ALTER TABLE interrupts DROP COLUMN callback_due_ms;
ALTER TABLE interrupts DROP COLUMN callback_tries;

-- What a human is asked, and what has happened, does not change any more. Programs that know
-- versions 1 and 2 alone break these rules, and so can no longer change anything.
CREATE TRIGGER interrupts_stay BEFORE UPDATE OF interrupt_id, agent_id, user_id, action, context,
    urgency, created_ms, expires_ms, callback_url, payload_digest ON interrupts
BEGIN
    SELECT RAISE(ABORT, 'what a human is asked cannot be changed');
END;

CREATE TRIGGER interrupts_begin_with_digest BEFORE INSERT ON interrupts WHEN NEW.payload_digest = ''
BEGIN
    SELECT RAISE(ABORT, 'an interrupt needs its digest');
END;

CREATE TRIGGER interrupts_settle_with_event BEFORE UPDATE OF status, settled_ms, decided_ms,
    decided_by, decided_via, reason, modified_params ON interrupts
    WHEN OLD.status <> 'pending' OR NEW.event_count <> OLD.event_count + 1
BEGIN
    SELECT RAISE(ABORT, 'an interrupt is settled once, and with an event');
END;

CREATE TRIGGER events_stay BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ABORT, 'an event cannot be changed');
END;

CREATE TRIGGER events_go_with_interrupt BEFORE DELETE ON events
    WHEN EXISTS (SELECT 1 FROM interrupts WHERE interrupt_id = OLD.interrupt_id)
BEGIN
    SELECT RAISE(ABORT, 'events go with their interrupt alone');
END;
