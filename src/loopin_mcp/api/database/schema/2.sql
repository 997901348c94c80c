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
-- The tool call that a host holds, as JSON, and how many seconds after the decision its approval may be used.
ALTER TABLE interrupts ADD COLUMN call TEXT;
ALTER TABLE interrupts ADD COLUMN use_within BIGINT;
ALTER TABLE interrupts ADD COLUMN used_ms BIGINT;
-- A standing approval: which calls it covers besides its own (call or tool), and until when. Those that
-- another one covers name it.
ALTER TABLE interrupts ADD COLUMN standing TEXT;
ALTER TABLE interrupts ADD COLUMN standing_until_ms BIGINT;
ALTER TABLE interrupts ADD COLUMN covered_by TEXT;
-- Which keys of the context a reviewer may change, as a JSON list, and the values that each may get, as an object.
ALTER TABLE interrupts ADD COLUMN editable TEXT;
ALTER TABLE interrupts ADD COLUMN options TEXT;

-- Indexes hold these texts, and PostgreSQL's take no long ones.
UPDATE interrupts SET action_type = SUBSTR(action_type, 1, 299) || '…' WHERE LENGTH(action_type) > 300;

UPDATE interrupts SET ordinal = place FROM (
    SELECT interrupt_id AS id, ROW_NUMBER() OVER (ORDER BY created_ms, interrupt_id) AS place FROM interrupts
) AS placed WHERE interrupt_id = id;

UPDATE interrupts SET settled_ms = COALESCE(decided_ms, CASE status WHEN 'expired' THEN expires_ms ELSE created_ms END)
    WHERE status <> 'pending';
-- Version 1 stored how a decision was made, and not by whom.
UPDATE interrupts SET decided_via = CASE decided_by WHEN 'review-link' THEN 'review-page'
    WHEN 'inbox' THEN 'inbox' ELSE 'api' END WHERE decided_by IS NOT NULL;

DROP INDEX interrupts_to_expire;
DROP INDEX interrupts_of_user;

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
    -- The digest of a channel; empty for a callback.
    destination  TEXT    NOT NULL,
    -- That of a callback, or the digest of a channel: concurrent deliveries are counted by this.
    host         TEXT    NOT NULL,
    urgent       INTEGER NOT NULL,
    -- When to send it next; while a process is sending it, when its lease ends.
    due_ms       BIGINT  NOT NULL,
    given_up_ms  BIGINT  NOT NULL,
    tries        INTEGER NOT NULL DEFAULT 0,
    -- The HTTP status of the last answer; 0 if none came, null before the first attempt ended.
    answered     INTEGER
);

-- First attempts come before retries. Without `tries`, SQLite would look each one up in the table.
CREATE INDEX deliveries_new ON deliveries (kind, urgent, due_ms, host, tries) WHERE tries = 0;
CREATE INDEX deliveries_retried ON deliveries (kind, urgent, due_ms, host, tries) WHERE tries > 0;
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

-- The browsers that get Web Push, and whose they are; see outbox/pushes.py.
CREATE TABLE devices (
    device_id   TEXT    NOT NULL PRIMARY KEY,
    subject     TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    -- The subscription, as the browser gave it.
    endpoint    TEXT    NOT NULL UNIQUE,
    p256dh      TEXT    NOT NULL,
    auth        TEXT    NOT NULL,
    -- The public key of the API that it was made with.
    server_key  TEXT    NOT NULL,
    seal        TEXT    NOT NULL,
    urgent_only INTEGER NOT NULL DEFAULT 0,
    added_ms    BIGINT  NOT NULL,
    -- The last push that was accepted, and the last that failed.
    sent_ms     BIGINT,
    failed_ms   BIGINT,
    failure     TEXT
);

CREATE INDEX devices_of_subject ON devices (subject, added_ms);

-- One row: the key, in hexadecimal digits, that proves the API to open pages; see access/proofs.py.
CREATE TABLE page_key (page_key TEXT NOT NULL);
