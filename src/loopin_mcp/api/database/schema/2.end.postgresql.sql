-- The sums of the figures by user, kept by the triggers below. `audit verify` counts them again.
CREATE TABLE tallies (
    user_id TEXT    NOT NULL,
    figure  TEXT    NOT NULL,
    name    TEXT    COLLATE "C" NOT NULL,
    place   BIGINT  NOT NULL,
    count   INTEGER NOT NULL,
    total   BIGINT  NOT NULL,
    PRIMARY KEY (user_id, figure, place, name)
) WITH (fillfactor = 80);

-- One row for all users would make all changes wait for each other.
CREATE VIEW tallies_of_all AS SELECT figure, name, place, SUM(count) AS count, SUM(total) AS total
    FROM tallies GROUP BY figure, name, place;

-- The same for sums: a figure has several rows for a name and a place, which saves a step.
CREATE VIEW tallies_apart AS SELECT figure, name, place, count, total FROM tallies;

CREATE VIEW counted_tallies AS
    SELECT user_id, figure, name, place, COUNT(*) AS count, SUM(total) AS total
    FROM interrupt_figures GROUP BY user_id, figure, name, place;

-- What transactions that are not committed yet add to the tallies.
CREATE UNLOGGED TABLE tally_changes (
    transaction BIGINT  NOT NULL,
    user_id     TEXT    NOT NULL,
    figure      TEXT    NOT NULL,
    name        TEXT    COLLATE "C" NOT NULL,
    place       BIGINT  NOT NULL,
    count       INTEGER NOT NULL,
    total       BIGINT  NOT NULL
);
CREATE INDEX tally_changes_of_transaction ON tally_changes (transaction);
CREATE UNLOGGED TABLE tally_transactions (transaction BIGINT NOT NULL PRIMARY KEY);

-- Adds what the view interrupt_figures has of an interrupt, or subtracts it.
CREATE OR REPLACE FUNCTION loopin_tally(changed interrupts, sign INTEGER, is_whole BOOLEAN) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    response_ms BIGINT := changed.decided_ms - changed.created_ms;
    is_settled BOOLEAN := changed.status <> 'pending';
    is_decided BOOLEAN := is_settled AND response_ms IS NOT NULL AND changed.covered_by IS NULL;
BEGIN
    INSERT INTO tally_changes
        SELECT txid_current(), changed.user_id, figure, name, place, sign, sign * total FROM (VALUES
            (is_whole, 'urgency', changed.urgency, 0, 0),
            (is_whole, 'action', changed.action_type, 0, 0),
            (is_settled, 'status', changed.status, COALESCE(changed.settled_ms, 0) / 86400000, 0),
            (is_decided, 'response time', '', response_ms, response_ms),
            (is_decided, 'response time range', '', CASE WHEN response_ms < 100 THEN response_ms
                ELSE CAST(RPAD(LEFT(response_ms::text, 2), LENGTH(response_ms::text), '0') AS BIGINT) END, response_ms),
            (is_whole, 'agent asked', changed.agent_id, changed.created_ms / 86400000, 0),
            (is_decided, 'agent ' || changed.status, changed.agent_id, COALESCE(changed.settled_ms, 0) / 86400000, response_ms),
            (is_decided, 'type ' || changed.status, changed.action_type, COALESCE(changed.settled_ms, 0) / 86400000, response_ms),
            (is_decided, 'reviewer ' || changed.status, COALESCE(changed.decided_by, ''),
                COALESCE(changed.settled_ms, 0) / 86400000, response_ms),
            (is_decided, 'hour', CAST(changed.created_ms / 3600000 % 24 AS TEXT),
                COALESCE(changed.settled_ms, 0) / 86400000, response_ms),
            (changed.status = 'approved' AND changed.modified_params IS NOT NULL AND changed.covered_by IS NULL,
                'agent changed', changed.agent_id, COALESCE(changed.settled_ms, 0) / 86400000, 0)
        ) AS figures (counts, figure, name, place, total) WHERE counts;
END
$$;

CREATE OR REPLACE FUNCTION loopin_note_tallies() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM loopin_tally(OLD, -1, TG_OP = 'DELETE');
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM loopin_tally(NEW, 1, TG_OP = 'INSERT');
    END IF;
    INSERT INTO tally_transactions VALUES (txid_current()) ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;

CREATE TRIGGER tallies_note AFTER INSERT OR DELETE OR UPDATE OF status, settled_ms, decided_ms, decided_by, modified_params
    ON interrupts FOR EACH ROW EXECUTE FUNCTION loopin_note_tallies();

CREATE OR REPLACE FUNCTION loopin_keep_tallies() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- In one order, so that transactions cannot deadlock.
    INSERT INTO tallies SELECT user_id, figure, name, place, SUM(count), SUM(total) FROM tally_changes
        WHERE transaction = NEW.transaction GROUP BY user_id, figure, name, place
        ORDER BY user_id, figure, name, place
        ON CONFLICT (user_id, figure, name, place)
        DO UPDATE SET count = tallies.count + excluded.count, total = tallies.total + excluded.total;
    DELETE FROM tallies USING tally_changes AS changes
        WHERE changes.transaction = NEW.transaction AND tallies.user_id = changes.user_id
        AND tallies.figure = changes.figure AND tallies.name = changes.name
        AND tallies.place = changes.place AND tallies.count = 0;
    DELETE FROM tally_changes WHERE transaction = NEW.transaction;
    DELETE FROM tally_transactions WHERE transaction = NEW.transaction;
    RETURN NULL;
END
$$;

-- At the commit: it holds the tallies for a short time, and changes each once.
CREATE CONSTRAINT TRIGGER tallies_keep AFTER INSERT ON tally_transactions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION loopin_keep_tallies();

CREATE INDEX tallies_of_actions ON tallies (user_id, count DESC, name) WHERE figure = 'action';
-- Those that count by day, of all users.
CREATE INDEX tallies_by_day ON tallies (figure, place, name) WHERE figure IN ('agent asked', 'agent approved',
    'agent changed', 'agent rejected', 'type approved', 'type rejected', 'reviewer approved', 'reviewer rejected', 'hour');
CREATE INDEX tallies_of_users ON tallies (user_id, count) WHERE figure = 'urgency';

INSERT INTO tallies SELECT user_id, figure, name, place, count, total FROM counted_tallies;
