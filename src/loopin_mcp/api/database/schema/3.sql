-- The trace of the request that created it; see telemetry/traces.py.
ALTER TABLE interrupts ADD COLUMN traceparent TEXT;

-- The metrics read the last columns: this index is enough to count what is pending, by urgency and age.
DROP INDEX interrupts_to_expire;
CREATE INDEX interrupts_to_expire ON interrupts (expires_ms, user_id, urgency, created_ms) WHERE status = 'pending';
