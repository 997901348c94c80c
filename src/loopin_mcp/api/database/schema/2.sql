-- When an interrupt left pending, for the history; version 1 kept no time of a cancellation.
ALTER TABLE interrupts ADD COLUMN settled_ms BIGINT;

-- When the human is to be told of it next, null where nothing is left to be told; how many notices
-- went out; and of the one that is due: how often it was tried, and which channels have it (JSON).
ALTER TABLE interrupts ADD COLUMN notice_due_ms BIGINT;
ALTER TABLE interrupts ADD COLUMN notices_sent INTEGER NOT NULL DEFAULT 0;
ALTER TABLE interrupts ADD COLUMN notice_tries INTEGER NOT NULL DEFAULT 0;
ALTER TABLE interrupts ADD COLUMN notice_reached TEXT NOT NULL DEFAULT '[]';

-- What a search looks through, folded as api/searching.py has it; LOWER comes near to that.
ALTER TABLE interrupts ADD COLUMN search_text TEXT NOT NULL DEFAULT '';

UPDATE interrupts SET search_text = LOWER(agent_id || ' ' || user_id || ' ' || action || ' ' || context);
UPDATE interrupts SET settled_ms = COALESCE(decided_ms, CASE status WHEN 'expired' THEN expires_ms ELSE created_ms END)
    WHERE status <> 'pending';

CREATE INDEX interrupts_settled ON interrupts (settled_ms, interrupt_id) WHERE settled_ms IS NOT NULL;
CREATE INDEX interrupts_decided ON interrupts (decided_ms) WHERE decided_ms IS NOT NULL;
CREATE INDEX notices_due ON interrupts (notice_due_ms) WHERE notice_due_ms IS NOT NULL;

-- The reviewers' lists: what waits, by urgency and expiry, and what is settled, of a user or an agent.
CREATE INDEX interrupts_waiting ON interrupts
    ((expires_ms + CASE urgency WHEN 'high' THEN 0 WHEN 'medium' THEN 1000000000000000 ELSE 2000000000000000 END), interrupt_id)
    WHERE status = 'pending';
CREATE INDEX interrupts_settled_of_user ON interrupts (user_id, settled_ms, interrupt_id) WHERE settled_ms IS NOT NULL;
CREATE INDEX interrupts_of_agent ON interrupts (agent_id, settled_ms, interrupt_id);
