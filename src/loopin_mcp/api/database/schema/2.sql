-- When an interrupt left pending; version 1 kept no time of a cancellation.
ALTER TABLE interrupts ADD COLUMN settled_ms BIGINT;
ALTER TABLE interrupts ADD COLUMN decided_via TEXT;
-- The text that a search looks through; see store/search.py.
ALTER TABLE interrupts ADD COLUMN search_text TEXT NOT NULL DEFAULT '';
-- The SHA-256 of what the human was asked; see audit/digests.py.
ALTER TABLE interrupts ADD COLUMN payload_digest TEXT NOT NULL DEFAULT '';
-- The number of events, and the hash of the last one.
ALTER TABLE interrupts ADD COLUMN event_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE interrupts ADD COLUMN events_head TEXT NOT NULL DEFAULT '';
-- Grows with every new interrupt: the order of those of one millisecond.
ALTER TABLE interrupts ADD COLUMN ordinal BIGINT NOT NULL DEFAULT 0;

UPDATE interrupts SET ordinal = place FROM (
    SELECT interrupt_id AS id, ROW_NUMBER() OVER (ORDER BY created_ms, interrupt_id) AS place FROM interrupts
) AS placed WHERE interrupt_id = id;

UPDATE interrupts SET settled_ms = COALESCE(decided_ms, CASE status WHEN 'expired' THEN expires_ms ELSE created_ms END)
    WHERE status <> 'pending';
-- Version 1 stored how a decision was made, and not by whom.
UPDATE interrupts SET decided_via = CASE decided_by WHEN 'review-link' THEN 'review-page'
    WHEN 'inbox' THEN 'inbox' ELSE 'api' END WHERE decided_by IS NOT NULL;

DROP INDEX interrupts_of_user;
CREATE INDEX interrupts_of_user ON interrupts (user_id, status, created_ms, ordinal);
CREATE INDEX interrupts_settled ON interrupts (settled_ms, ordinal) WHERE settled_ms IS NOT NULL;
CREATE INDEX interrupts_decided ON interrupts (decided_ms) WHERE decided_ms IS NOT NULL;

-- The reviewers' lists: pending interrupts by urgency and expiry, and those settled, of a user or an agent.
CREATE INDEX interrupts_waiting ON interrupts
    ((expires_ms + CASE urgency WHEN 'high' THEN 0 WHEN 'medium' THEN 1000000000000000 ELSE 2000000000000000 END), ordinal)
    WHERE status = 'pending';
CREATE INDEX interrupts_settled_of_user ON interrupts (user_id, settled_ms, ordinal) WHERE settled_ms IS NOT NULL;
CREATE INDEX interrupts_of_agent ON interrupts (agent_id, settled_ms, ordinal);

-- The trail of each interrupt: its events in order, each chained to the one before by its hash.
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

-- The outbox: callbacks and notifications that are still to be delivered. A row is deleted when it
-- is delivered or given up.
CREATE TABLE deliveries (
    delivery_id  TEXT    NOT NULL PRIMARY KEY,
    interrupt_id TEXT    NOT NULL,
    -- callback, notification or reminder.
    kind         TEXT    NOT NULL,
    -- The digest of a channel; empty for a callback, and until the channels are chosen.
    destination  TEXT    NOT NULL,
    -- Concurrent deliveries are counted by this.
    host         TEXT    NOT NULL,
    urgent       INTEGER NOT NULL,
    -- When to send it next; while a process is sending it, when its lease ends.
    due_ms       BIGINT  NOT NULL,
    given_up_ms  BIGINT  NOT NULL,
    tries        INTEGER NOT NULL DEFAULT 0,
    -- The HTTP status of the last answer; 0 if none came, null before the first attempt ended.
    answered     INTEGER
);

CREATE INDEX deliveries_due ON deliveries (due_ms);
CREATE INDEX deliveries_of_interrupt ON deliveries (interrupt_id);

-- The interrupt that each Idempotency-Key created; the fingerprint is of the request's payload.
CREATE TABLE idempotency_keys (
    owner           TEXT   NOT NULL,
    idempotency_key TEXT   NOT NULL,
    fingerprint     TEXT   NOT NULL,
    interrupt_id    TEXT   NOT NULL,
    created_ms      BIGINT NOT NULL,
    PRIMARY KEY (owner, idempotency_key)
);

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_ms);

-- The interrupts that were deleted by their age, the hash of their last event, and one over all this.
CREATE TABLE deletions (
    interrupt_id TEXT   NOT NULL PRIMARY KEY,
    deleted_ms   BIGINT NOT NULL,
    events_head  TEXT   NOT NULL,
    hash         TEXT   NOT NULL DEFAULT ''
);

-- The browsers that are signed in; see access/sessions.py.
CREATE TABLE sessions (
    place_digest TEXT   NOT NULL PRIMARY KEY,
    subject      TEXT   NOT NULL,
    seal         TEXT   NOT NULL,
    created_ms   BIGINT NOT NULL,
    used_ms      BIGINT NOT NULL
);

-- One row: the key, in hexadecimal digits, that proves the API to open pages; see access/proofs.py.
CREATE TABLE page_key (page_key TEXT NOT NULL);
