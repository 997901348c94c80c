-- Times are integer epoch milliseconds, JSON is text. Valid in SQLite and in PostgreSQL.
CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL PRIMARY KEY);

CREATE TABLE IF NOT EXISTS interrupts (
    interrupt_id    TEXT   NOT NULL PRIMARY KEY,
    agent_id        TEXT   NOT NULL,
    user_id         TEXT   NOT NULL,
    action          TEXT   NOT NULL,
    action_type     TEXT   NOT NULL,
    context         TEXT   NOT NULL,
    urgency         TEXT   NOT NULL,
    status          TEXT   NOT NULL,
    created_ms      BIGINT NOT NULL,
    expires_ms      BIGINT NOT NULL,
    decided_ms      BIGINT,
    decided_by      TEXT,
    reason          TEXT,
    modified_params TEXT,
    callback_url    TEXT,
    -- When to send the callback next; null if none is left to send.
    callback_due_ms BIGINT,
    callback_tries  INTEGER NOT NULL DEFAULT 0
);

CREATE INDEX IF NOT EXISTS interrupts_of_user ON interrupts (user_id, status, created_ms, interrupt_id);
CREATE INDEX IF NOT EXISTS interrupts_to_expire ON interrupts (expires_ms) WHERE status = 'pending';
CREATE INDEX IF NOT EXISTS callbacks_due ON interrupts (callback_due_ms) WHERE callback_due_ms IS NOT NULL;
