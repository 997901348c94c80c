BEGIN TRANSACTION;
CREATE TABLE interrupts (
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
    -- When the callback is to be sent next; null where nothing is left to be told.
    callback_due_ms BIGINT,
    callback_tries  INTEGER NOT NULL DEFAULT 0
);
INSERT INTO "interrupts" VALUES('8944f90a-d397-44e3-8814-8069b9938277','billing-agent','accounts-payable','Approved before','Approved before','{"amount": 4200, "note": "\u00dc"}','medium','approved',1795913918544,1795917518544,1795913918555,'anonymous','Ö','{"amount": 1}',NULL,NULL,0);
INSERT INTO "interrupts" VALUES('0b32dd40-89dd-48e0-bc53-2efa6302846b','billing-agent','accounts-payable','Rejected before','Rejected before','{"amount": 4200, "note": "\u00dc"}','medium','rejected',1795913918560,1795917518560,1795913918566,'anonymous',NULL,NULL,NULL,NULL,0);
INSERT INTO "interrupts" VALUES('b0e9ea39-e304-45d5-8e84-0191150551a3','billing-agent','accounts-payable','Cancelled before','Cancelled before','{"amount": 4200, "note": "\u00dc"}','medium','cancelled',1795913918572,1795917518572,NULL,NULL,NULL,NULL,NULL,NULL,0);
INSERT INTO "interrupts" VALUES('86338a69-cdae-45d8-a039-34148bb65013','billing-agent','accounts-payable','Expired before','Expired before','{"amount": 4200, "note": "\u00dc"}','medium','expired',1795913918582,1795913919582,NULL,NULL,NULL,NULL,NULL,NULL,0);
INSERT INTO "interrupts" VALUES('d3ef7faf-308b-4c0e-9062-862b23dbcd90','billing-agent','accounts-payable','Callback owed','Callback owed','{"amount": 4200, "note": "\u00dc"}','medium','approved',1795913918584,1795917518584,1795913918588,'anonymous',NULL,NULL,'https://example.invalid/hook',1795913931053,1);
INSERT INTO "interrupts" VALUES('936ff205-b8f4-4d25-8eb1-cd8edfcb65f4','billing-agent','accounts-payable','Still pending','Still pending','{"amount": 4200, "note": "\u00dc"}','medium','pending',1795913918593,1798505918593,NULL,NULL,NULL,NULL,NULL,NULL,0);
CREATE TABLE schema_version (version INTEGER NOT NULL PRIMARY KEY);
INSERT INTO "schema_version" VALUES(1);
CREATE INDEX interrupts_of_user ON interrupts (user_id, status, created_ms, interrupt_id);
CREATE INDEX interrupts_to_expire ON interrupts (expires_ms) WHERE status = 'pending';
CREATE INDEX callbacks_due ON interrupts (callback_due_ms) WHERE callback_due_ms IS NOT NULL;
COMMIT;
