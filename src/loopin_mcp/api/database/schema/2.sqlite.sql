DROP INDEX callbacks_due;
ALTER TABLE interrupts DROP COLUMN callback_due_ms;
ALTER TABLE interrupts DROP COLUMN callback_tries;

CREATE INDEX interrupts_by_ordinal ON interrupts (ordinal);
CREATE TRIGGER interrupts_get_ordinal AFTER INSERT ON interrupts
BEGIN
    UPDATE interrupts SET ordinal = (SELECT MAX(ordinal) + 1 FROM interrupts) WHERE interrupt_id = NEW.interrupt_id;
END;

-- The content of an interrupt and its events cannot be changed. A program that only knows version 1
-- breaks these rules, so it cannot change anything.
CREATE TRIGGER interrupts_stay BEFORE UPDATE OF interrupt_id, agent_id, user_id, action, context,
    urgency, created_ms, expires_ms, callback_url, payload_digest ON interrupts
BEGIN
    SELECT RAISE(ABORT, 'what a human is asked cannot be changed');
END;

-- INSERT OR REPLACE deletes without firing the triggers for deletion.
CREATE TRIGGER interrupts_begin_pending BEFORE INSERT ON interrupts
    WHEN NEW.payload_digest = '' OR NEW.status <> 'pending' OR NEW.event_count <> 0
    OR EXISTS (SELECT 1 FROM interrupts WHERE interrupt_id = NEW.interrupt_id)
BEGIN
    SELECT RAISE(ABORT, 'an interrupt begins once, with its digest, and pending');
END;

CREATE TRIGGER interrupts_settle_with_event BEFORE UPDATE OF status, settled_ms, decided_ms,
    decided_by, decided_via, reason, modified_params ON interrupts
    WHEN OLD.status <> 'pending' OR NEW.event_count <> OLD.event_count + 1
    OR NOT EXISTS (SELECT 1 FROM events WHERE interrupt_id = NEW.interrupt_id
        AND sequence = NEW.event_count AND hash = NEW.events_head)
BEGIN
    SELECT RAISE(ABORT, 'an interrupt is settled once, and with an event');
END;

CREATE TRIGGER events_stay BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ABORT, 'an event cannot be changed');
END;

CREATE TRIGGER events_come_once BEFORE INSERT ON events
    WHEN EXISTS (SELECT 1 FROM events WHERE interrupt_id = NEW.interrupt_id
        AND sequence = NEW.sequence)
BEGIN
    SELECT RAISE(ABORT, 'an event cannot be changed');
END;

CREATE TRIGGER events_go_with_interrupt BEFORE DELETE ON events
    WHEN EXISTS (SELECT 1 FROM interrupts WHERE interrupt_id = OLD.interrupt_id)
BEGIN
    SELECT RAISE(ABORT, 'events are deleted only with their interrupt');
END;

INSERT INTO page_key VALUES (hex(randomblob(32)));
