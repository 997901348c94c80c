-- The sums of the figures by user, kept by the triggers below. `audit verify` counts them again. The
-- user '' stands for all of them.
CREATE TABLE tallies (
    user_id TEXT    NOT NULL,
    figure  TEXT    NOT NULL,
    name    TEXT    NOT NULL,
    place   BIGINT  NOT NULL,
    count   INTEGER NOT NULL,
    total   BIGINT  NOT NULL,
    PRIMARY KEY (user_id, figure, place, name)
) WITHOUT ROWID;

CREATE VIEW tallies_of_all AS SELECT figure, name, place, count, total FROM tallies WHERE user_id = '';

CREATE VIEW tallies_apart AS SELECT * FROM tallies_of_all;

CREATE VIEW counted_tallies AS
    SELECT user_id, figure, name, place, COUNT(*) AS count, SUM(total) AS total
    FROM interrupt_figures GROUP BY user_id, figure, name, place
    UNION ALL SELECT '', figure, name, place, COUNT(*), SUM(total) FROM interrupt_figures
    GROUP BY figure, name, place;

-- This is faster than to read the view.
CREATE TRIGGER tallies_add AFTER INSERT ON interrupts
BEGIN
    INSERT INTO tallies VALUES
        (NEW.user_id, 'urgency', NEW.urgency, 0, 1, 0), (NEW.user_id, 'action', NEW.action_type, 0, 1, 0),
        ('', 'urgency', NEW.urgency, 0, 1, 0), ('', 'action', NEW.action_type, 0, 1, 0),
        (NEW.user_id, 'agent asked', NEW.agent_id, NEW.created_ms / 86400000, 1, 0),
        ('', 'agent asked', NEW.agent_id, NEW.created_ms / 86400000, 1, 0)
        ON CONFLICT DO UPDATE SET count = count + 1;
END;

CREATE TRIGGER tallies_add_settled AFTER INSERT ON interrupts WHEN NEW.status <> 'pending'
BEGIN
    INSERT INTO tallies SELECT whose.user_id, figure, name, place, 1, total
        FROM interrupt_figures JOIN (SELECT NEW.user_id AS user_id UNION ALL SELECT '') AS whose
        WHERE interrupt_id = NEW.interrupt_id AND figure NOT IN ('urgency', 'action', 'agent asked')
        ON CONFLICT DO UPDATE SET count = count + excluded.count, total = total + excluded.total;
END;

CREATE TRIGGER tallies_replace BEFORE UPDATE OF status, settled_ms, decided_ms, decided_by, modified_params ON interrupts
    WHEN OLD.status <> 'pending'
BEGIN
    INSERT INTO tallies SELECT whose.user_id, figure, name, place, -1, -total
        FROM interrupt_figures JOIN (SELECT OLD.user_id AS user_id UNION ALL SELECT '') AS whose
        WHERE interrupt_id = OLD.interrupt_id AND figure NOT IN ('urgency', 'action', 'agent asked')
        ON CONFLICT DO UPDATE SET count = count + excluded.count, total = total + excluded.total;
END;

-- These are faster than to read the view, too.
CREATE TRIGGER tallies_settle AFTER UPDATE OF status, settled_ms, decided_ms, decided_by, modified_params ON interrupts
    WHEN NEW.status <> 'pending'
BEGIN
    INSERT INTO tallies VALUES
        (NEW.user_id, 'status', NEW.status, COALESCE(NEW.settled_ms, 0) / 86400000, 1, 0),
        ('', 'status', NEW.status, COALESCE(NEW.settled_ms, 0) / 86400000, 1, 0)
        ON CONFLICT DO UPDATE SET count = count + 1;
END;

CREATE TRIGGER tallies_decide AFTER UPDATE OF status, settled_ms, decided_ms, decided_by, modified_params ON interrupts
    WHEN NEW.status <> 'pending' AND NEW.decided_ms IS NOT NULL AND NEW.covered_by IS NULL
BEGIN
    INSERT INTO tallies VALUES
        (NEW.user_id, 'response time', '', NEW.decided_ms - NEW.created_ms, 1, NEW.decided_ms - NEW.created_ms),
        ('', 'response time', '', NEW.decided_ms - NEW.created_ms, 1, NEW.decided_ms - NEW.created_ms),
        (NEW.user_id, 'response time range', '', CASE WHEN NEW.decided_ms - NEW.created_ms < 100 THEN NEW.decided_ms - NEW.created_ms
            ELSE CAST(SUBSTR(CAST(NEW.decided_ms - NEW.created_ms AS TEXT), 1, 2) || SUBSTR('00000000000000000',
                1, LENGTH(CAST(NEW.decided_ms - NEW.created_ms AS TEXT)) - 2) AS BIGINT) END, 1, NEW.decided_ms - NEW.created_ms),
        ('', 'response time range', '', CASE WHEN NEW.decided_ms - NEW.created_ms < 100 THEN NEW.decided_ms - NEW.created_ms
            ELSE CAST(SUBSTR(CAST(NEW.decided_ms - NEW.created_ms AS TEXT), 1, 2) || SUBSTR('00000000000000000',
                1, LENGTH(CAST(NEW.decided_ms - NEW.created_ms AS TEXT)) - 2) AS BIGINT) END, 1, NEW.decided_ms - NEW.created_ms),
        (NEW.user_id, 'agent ' || NEW.status, NEW.agent_id, COALESCE(NEW.settled_ms, 0) / 86400000, 1, NEW.decided_ms - NEW.created_ms),
        ('', 'agent ' || NEW.status, NEW.agent_id, COALESCE(NEW.settled_ms, 0) / 86400000, 1, NEW.decided_ms - NEW.created_ms),
        (NEW.user_id, 'type ' || NEW.status, NEW.action_type, COALESCE(NEW.settled_ms, 0) / 86400000, 1, NEW.decided_ms - NEW.created_ms),
        ('', 'type ' || NEW.status, NEW.action_type, COALESCE(NEW.settled_ms, 0) / 86400000, 1, NEW.decided_ms - NEW.created_ms),
        (NEW.user_id, 'reviewer ' || NEW.status, COALESCE(NEW.decided_by, ''), COALESCE(NEW.settled_ms, 0) / 86400000, 1, NEW.decided_ms - NEW.created_ms),
        ('', 'reviewer ' || NEW.status, COALESCE(NEW.decided_by, ''), COALESCE(NEW.settled_ms, 0) / 86400000, 1, NEW.decided_ms - NEW.created_ms),
        (NEW.user_id, 'hour', CAST(NEW.created_ms / 3600000 % 24 AS TEXT), COALESCE(NEW.settled_ms, 0) / 86400000, 1, NEW.decided_ms - NEW.created_ms),
        ('', 'hour', CAST(NEW.created_ms / 3600000 % 24 AS TEXT), COALESCE(NEW.settled_ms, 0) / 86400000, 1, NEW.decided_ms - NEW.created_ms)
        ON CONFLICT DO UPDATE SET count = count + 1, total = total + excluded.total;
END;

CREATE TRIGGER tallies_change AFTER UPDATE OF status, settled_ms, decided_ms, decided_by, modified_params ON interrupts
    WHEN NEW.status = 'approved' AND NEW.modified_params IS NOT NULL AND NEW.covered_by IS NULL
BEGIN
    INSERT INTO tallies VALUES
        (NEW.user_id, 'agent changed', NEW.agent_id, COALESCE(NEW.settled_ms, 0) / 86400000, 1, 0),
        ('', 'agent changed', NEW.agent_id, COALESCE(NEW.settled_ms, 0) / 86400000, 1, 0)
        ON CONFLICT DO UPDATE SET count = count + 1;
END;

CREATE TRIGGER tallies_remove BEFORE DELETE ON interrupts
BEGIN
    INSERT INTO tallies SELECT whose.user_id, figure, name, place, -1, -total
        FROM interrupt_figures JOIN (SELECT OLD.user_id AS user_id UNION ALL SELECT '') AS whose
        WHERE interrupt_id = OLD.interrupt_id
        ON CONFLICT DO UPDATE SET count = count + excluded.count, total = total + excluded.total;
    DELETE FROM tallies WHERE user_id IN (OLD.user_id, '') AND count = 0;
END;

CREATE INDEX tallies_of_actions ON tallies (user_id, count DESC, name) WHERE figure = 'action';
CREATE INDEX tallies_of_users ON tallies (user_id, count) WHERE figure = 'urgency';
CREATE INDEX tallies_to_delete ON tallies (user_id) WHERE count = 0;

INSERT INTO tallies SELECT user_id, figure, name, place, count, total FROM counted_tallies;
