ALTER TABLE interrupts ADD COLUMN decided_via TEXT;
-- The SHA-256 of what the human is asked; see api/payloads.py.
ALTER TABLE interrupts ADD COLUMN payload_digest TEXT NOT NULL DEFAULT '';
-- How many events there are, and the hash of the last of them.
ALTER TABLE interrupts ADD COLUMN event_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE interrupts ADD COLUMN events_head TEXT NOT NULL DEFAULT '';

-- What happened to an interrupt, in its order, each event chained to the one before by its hash.
CREATE TABLE events (
    interrupt_id  TEXT    NOT NULL,
    sequence      INTEGER NOT NULL,
    type          TEXT    NOT NULL,
    at_ms         BIGINT  NOT NULL,
    actor         TEXT    NOT NULL,
    channel       TEXT    NOT NULL,
    detail        TEXT    NOT NULL,
    previous_hash TEXT    NOT NULL,
    hash          TEXT    NOT NULL,
    PRIMARY KEY (interrupt_id, sequence)
);

-- What is still to be told to receivers: a row goes when its callback has arrived or is given up.
CREATE TABLE callbacks (
    callback_id  TEXT    NOT NULL PRIMARY KEY,
    interrupt_id TEXT    NOT NULL,
    url          TEXT    NOT NULL,
    host         TEXT    NOT NULL,
    body         TEXT    NOT NULL,
    created_ms   BIGINT  NOT NULL,
    due_ms       BIGINT  NOT NULL,
    tries        INTEGER NOT NULL DEFAULT 0
);

CREATE INDEX callbacks_to_send ON callbacks (due_ms);
CREATE INDEX callbacks_of_interrupt ON callbacks (interrupt_id);

-- What came of every request that bore an Idempotency-Key; the fingerprint is of its payload.
CREATE TABLE idempotency_keys (
    owner           TEXT   NOT NULL,
    idempotency_key TEXT   NOT NULL,
    fingerprint     TEXT   NOT NULL,
    interrupt_id    TEXT   NOT NULL,
    created_ms      BIGINT NOT NULL,
    PRIMARY KEY (owner, idempotency_key)
);

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_ms);

-- What was deleted by its age, and the head its events had.
CREATE TABLE deletions (
    interrupt_id TEXT   NOT NULL PRIMARY KEY,
    deleted_ms   BIGINT NOT NULL,
    events_head  TEXT   NOT NULL
);

-- Version 2 told by which way it was decided where it had no name.
UPDATE interrupts SET decided_via = CASE decided_by WHEN 'review-link' THEN 'review-page'
    WHEN 'inbox' THEN 'inbox' ELSE 'api' END WHERE decided_by IS NOT NULL;
