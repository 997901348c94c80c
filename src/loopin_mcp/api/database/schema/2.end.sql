-- The lists of reviewers: pending interrupts by urgency and expiry, and settled ones of all, a user or an agent.
CREATE INDEX interrupts_waiting ON interrupts
    ((expires_ms + CASE urgency WHEN 'high' THEN 0 WHEN 'medium' THEN 1000000000000000 ELSE 2000000000000000 END), ordinal)
    WHERE status = 'pending';
CREATE INDEX interrupts_settled ON interrupts (settled_ms, ordinal) WHERE settled_ms IS NOT NULL;
CREATE INDEX interrupts_settled_of_user ON interrupts (user_id, settled_ms, ordinal) WHERE settled_ms IS NOT NULL;
CREATE INDEX interrupts_of_agent ON interrupts (agent_id, settled_ms, ordinal);

-- What a reviewer sees beside a request: those like it, and what was rejected last, and why.
CREATE INDEX interrupts_alike ON interrupts (agent_id, action_type, settled_ms, ordinal);
CREATE INDEX interrupts_rejected ON interrupts (agent_id, settled_ms) WHERE status = 'rejected';
CREATE INDEX interrupts_rejected_by ON interrupts (decided_by, settled_ms)
    WHERE status = 'rejected' AND reason IS NOT NULL;

-- The standing approvals, and what they cover.
CREATE INDEX interrupts_standing ON interrupts (standing_until_ms) WHERE standing IS NOT NULL;
CREATE INDEX interrupts_covered ON interrupts (covered_by, ordinal) WHERE covered_by IS NOT NULL;

-- The last columns are only read: the index is enough to count.
CREATE INDEX interrupts_pending ON interrupts (user_id, created_ms, ordinal, expires_ms) WHERE status = 'pending';
CREATE INDEX interrupts_to_expire ON interrupts (expires_ms, user_id) WHERE status = 'pending';

-- What each interrupt adds to the tallies. A response time counts by its exact value, and by its
-- first two digits, which lead to it quickly; nobody responded to what a standing approval covers.
-- Those of an agent, a type of action, a reviewer or an hour of the day count by day.
CREATE VIEW interrupt_figures AS
    SELECT interrupt_id, user_id, 'urgency' AS figure, urgency AS name, 0 AS place, 0 AS total FROM interrupts
    UNION ALL SELECT interrupt_id, user_id, 'action', action_type, 0, 0 FROM interrupts
    UNION ALL SELECT interrupt_id, user_id, 'status', status, COALESCE(settled_ms, 0) / 86400000, 0
    FROM interrupts WHERE status <> 'pending'
    UNION ALL SELECT interrupt_id, user_id, 'response time', '', decided_ms - created_ms, decided_ms - created_ms
    FROM interrupts WHERE status <> 'pending' AND decided_ms IS NOT NULL AND covered_by IS NULL
    UNION ALL SELECT interrupt_id, user_id, 'response time range', '',
        CASE WHEN decided_ms - created_ms < 100 THEN decided_ms - created_ms
            ELSE CAST(SUBSTR(CAST(decided_ms - created_ms AS TEXT), 1, 2) || SUBSTR('00000000000000000',
                1, LENGTH(CAST(decided_ms - created_ms AS TEXT)) - 2) AS BIGINT) END, decided_ms - created_ms
    FROM interrupts WHERE status <> 'pending' AND decided_ms IS NOT NULL AND covered_by IS NULL
    UNION ALL SELECT interrupt_id, user_id, 'agent asked', agent_id, created_ms / 86400000, 0 FROM interrupts
    UNION ALL SELECT interrupt_id, user_id, 'agent ' || status, agent_id,
        COALESCE(settled_ms, 0) / 86400000, decided_ms - created_ms
    FROM interrupts WHERE status <> 'pending' AND decided_ms IS NOT NULL AND covered_by IS NULL
    UNION ALL SELECT interrupt_id, user_id, 'type ' || status, action_type,
        COALESCE(settled_ms, 0) / 86400000, decided_ms - created_ms
    FROM interrupts WHERE status <> 'pending' AND decided_ms IS NOT NULL AND covered_by IS NULL
    UNION ALL SELECT interrupt_id, user_id, 'reviewer ' || status, COALESCE(decided_by, ''),
        COALESCE(settled_ms, 0) / 86400000, decided_ms - created_ms
    FROM interrupts WHERE status <> 'pending' AND decided_ms IS NOT NULL AND covered_by IS NULL
    UNION ALL SELECT interrupt_id, user_id, 'hour', CAST(created_ms / 3600000 % 24 AS TEXT),
        COALESCE(settled_ms, 0) / 86400000, decided_ms - created_ms
    FROM interrupts WHERE status <> 'pending' AND decided_ms IS NOT NULL AND covered_by IS NULL
    UNION ALL SELECT interrupt_id, user_id, 'agent changed', agent_id, COALESCE(settled_ms, 0) / 86400000, 0
    FROM interrupts WHERE status = 'approved' AND modified_params IS NOT NULL AND covered_by IS NULL;
