-- As the primary key, the ordinal is the place of the row: it needs no index, and SQLite counts it up.
CREATE TABLE rebuilt (
    interrupt_id    TEXT    NOT NULL UNIQUE,
    agent_id        TEXT    NOT NULL,
    user_id         TEXT    NOT NULL,
    action          TEXT    NOT NULL,
    action_type     TEXT    NOT NULL,
    context         TEXT    NOT NULL,
    urgency         TEXT    NOT NULL,
    status          TEXT    NOT NULL,
    created_ms      BIGINT  NOT NULL,
    expires_ms      BIGINT  NOT NULL,
    decided_ms      BIGINT,
    decided_by      TEXT,
    reason          TEXT,
    modified_params TEXT,
    callback_url    TEXT,
    settled_ms      BIGINT,
    decided_via     TEXT,
    search_text     TEXT    NOT NULL DEFAULT '',
    payload_digest  TEXT    NOT NULL DEFAULT '',
    event_count     INTEGER NOT NULL DEFAULT 0,
    events_head     TEXT    NOT NULL DEFAULT '',
    ordinal         INTEGER NOT NULL PRIMARY KEY,
    call            TEXT,
    use_within      BIGINT,
    used_ms         BIGINT,
    standing        TEXT,
    standing_until_ms BIGINT,
    covered_by      TEXT,
    editable        TEXT,
    options         TEXT
);
DROP INDEX callbacks_due;
ALTER TABLE interrupts DROP COLUMN callback_due_ms;
ALTER TABLE interrupts DROP COLUMN callback_tries;
INSERT INTO rebuilt SELECT * FROM interrupts;
DROP TABLE interrupts;
ALTER TABLE rebuilt RENAME TO interrupts;

-- The content of an interrupt and its events cannot be changed. A program that only knows version 1
-- breaks these rules, so it cannot change anything.
CREATE TRIGGER interrupts_stay BEFORE UPDATE OF interrupt_id, agent_id, user_id, action, context,
    urgency, created_ms, expires_ms, callback_url, payload_digest, ordinal, call, use_within, editable,
    options ON interrupts
BEGIN
    SELECT RAISE(ABORT, 'what a human is asked cannot be changed');
END;

-- INSERT OR REPLACE deletes without firing the triggers for deletion.
CREATE TRIGGER interrupts_begin_pending BEFORE INSERT ON interrupts
    WHEN NEW.payload_digest = '' OR NEW.status <> 'pending'
    OR NEW.event_count <> (SELECT COUNT(*) FROM events WHERE interrupt_id = NEW.interrupt_id AND hash = NEW.events_head)
    OR EXISTS (SELECT 1 FROM interrupts WHERE interrupt_id = NEW.interrupt_id)
    OR EXISTS (SELECT 1 FROM interrupts WHERE ordinal = NEW.ordinal)
BEGIN
    SELECT RAISE(ABORT, 'an interrupt begins once, with its digest, and pending');
END;

CREATE TRIGGER interrupts_settle_with_event BEFORE UPDATE OF status, settled_ms, decided_ms,
    decided_by, decided_via, reason, modified_params, standing, covered_by ON interrupts
    WHEN OLD.status <> 'pending' OR NEW.event_count <> OLD.event_count + 1
    OR NOT EXISTS (SELECT 1 FROM events WHERE interrupt_id = NEW.interrupt_id
        AND sequence = NEW.event_count AND hash = NEW.events_head)
BEGIN
    SELECT RAISE(ABORT, 'an interrupt is settled once, and with an event');
END;

CREATE TRIGGER interrupts_use_with_event BEFORE UPDATE OF used_ms, standing_until_ms ON interrupts
    WHEN (OLD.used_ms IS NOT NULL AND NEW.used_ms IS NOT OLD.used_ms)
    OR (OLD.status <> 'pending' AND NEW.standing_until_ms IS NOT OLD.standing_until_ms
        AND (NEW.standing_until_ms < OLD.standing_until_ms) IS NOT TRUE)
    OR NEW.event_count <> OLD.event_count + 1
    OR NOT EXISTS (SELECT 1 FROM events WHERE interrupt_id = NEW.interrupt_id
        AND sequence = NEW.event_count AND hash = NEW.events_head)
BEGIN
    SELECT RAISE(ABORT, 'an approval is used once, and with an event');
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
