-- Notifies every process that listens on loopin_changes of each interrupt that is new or changes
-- status, with the name of the process that made the change.
CREATE OR REPLACE FUNCTION loopin_tell_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('loopin_changes',
        NEW.interrupt_id || ' ' || COALESCE(current_setting('loopin.process', true), ''));
    RETURN NULL;
END
$$;

CREATE TRIGGER loopin_tell_change AFTER INSERT OR UPDATE OF status ON interrupts
    FOR EACH ROW EXECUTE FUNCTION loopin_tell_change();

-- Sorts by code points, as SQLite does, in any locale of the database.
ALTER TABLE interrupts ALTER COLUMN action_type TYPE TEXT COLLATE "C";

DROP INDEX callbacks_due;
ALTER TABLE interrupts DROP COLUMN callback_due_ms;
ALTER TABLE interrupts DROP COLUMN callback_tries;

CREATE SEQUENCE interrupts_ordinal OWNED BY interrupts.ordinal;
SELECT setval('interrupts_ordinal', (SELECT COALESCE(MAX(ordinal), 0) + 1 FROM interrupts), false);
ALTER TABLE interrupts ALTER COLUMN ordinal SET DEFAULT nextval('interrupts_ordinal');

-- The content of an interrupt and its events cannot be changed. A program that only knows version 1
-- breaks these rules, so it cannot change anything.
CREATE OR REPLACE FUNCTION loopin_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'refused by the rule %', TG_NAME;
END
$$;

CREATE TRIGGER interrupts_stay BEFORE UPDATE OF interrupt_id, agent_id, user_id, action, context,
    urgency, created_ms, expires_ms, callback_url, payload_digest, ordinal, call, use_within, editable,
    options ON interrupts
    FOR EACH ROW EXECUTE FUNCTION loopin_refuse_change();

CREATE OR REPLACE FUNCTION loopin_begin_pending() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.payload_digest = '' OR NEW.status <> 'pending' OR NEW.event_count <> (SELECT COUNT(*)
        FROM events WHERE interrupt_id = NEW.interrupt_id AND hash = NEW.events_head) THEN
        RAISE EXCEPTION 'refused by the rule %', TG_NAME;
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER interrupts_begin_pending BEFORE INSERT ON interrupts
    FOR EACH ROW EXECUTE FUNCTION loopin_begin_pending();

CREATE OR REPLACE FUNCTION loopin_settle_with_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status <> 'pending' OR NEW.event_count <> OLD.event_count + 1
        OR NOT EXISTS (SELECT 1 FROM events WHERE interrupt_id = NEW.interrupt_id
            AND sequence = NEW.event_count AND hash = NEW.events_head) THEN
        RAISE EXCEPTION 'refused by the rule %', TG_NAME;
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER interrupts_settle_with_event BEFORE UPDATE OF status, settled_ms, decided_ms,
    decided_by, decided_via, reason, modified_params, standing, covered_by ON interrupts
    FOR EACH ROW EXECUTE FUNCTION loopin_settle_with_event();

CREATE OR REPLACE FUNCTION loopin_use_with_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.used_ms IS NOT NULL AND NEW.used_ms IS DISTINCT FROM OLD.used_ms)
        OR (OLD.status <> 'pending' AND NEW.standing_until_ms IS DISTINCT FROM OLD.standing_until_ms
            AND (NEW.standing_until_ms < OLD.standing_until_ms) IS NOT TRUE)
        OR NEW.event_count <> OLD.event_count + 1
        OR NOT EXISTS (SELECT 1 FROM events WHERE interrupt_id = NEW.interrupt_id
            AND sequence = NEW.event_count AND hash = NEW.events_head) THEN
        RAISE EXCEPTION 'refused by the rule %', TG_NAME;
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER interrupts_use_with_event BEFORE UPDATE OF used_ms, standing_until_ms ON interrupts
    FOR EACH ROW EXECUTE FUNCTION loopin_use_with_event();

CREATE TRIGGER interrupts_stay_whole BEFORE TRUNCATE ON interrupts
    FOR EACH STATEMENT EXECUTE FUNCTION loopin_refuse_change();

CREATE TRIGGER events_stay BEFORE UPDATE ON events
    FOR EACH ROW EXECUTE FUNCTION loopin_refuse_change();

CREATE TRIGGER events_stay_whole BEFORE TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION loopin_refuse_change();

CREATE OR REPLACE FUNCTION loopin_keep_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM interrupts WHERE interrupt_id = OLD.interrupt_id) THEN
        RAISE EXCEPTION 'refused by the rule %', TG_NAME;
    END IF;
    RETURN OLD;
END
$$;

CREATE TRIGGER events_go_with_interrupt BEFORE DELETE ON events
    FOR EACH ROW EXECUTE FUNCTION loopin_keep_event();

-- Concurrent creates for one user wait for each other, so that each counts the others.
CREATE OR REPLACE FUNCTION loopin_take_turn() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(7466302, hashtext(NEW.user_id));
    RETURN NEW;
END
$$;

CREATE TRIGGER interrupts_take_turn BEFORE INSERT ON interrupts
    FOR EACH ROW EXECUTE FUNCTION loopin_take_turn();

INSERT INTO page_key VALUES (replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''));
