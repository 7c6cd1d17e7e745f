-- The seven tables. Times are RFC 3339 in UTC with a fixed number of digits, so
-- that they sort as text. ip_lo and ip_hi are the first and the last address of
-- what a row is about: one byte 4 or 6, then the address, so that one range
-- comparison finds every row inside or around a network.

-- +goose Up
CREATE TABLE threats (
    id              TEXT PRIMARY KEY,             -- ULID
    id_reversed     TEXT NOT NULL,                -- for looking up by suffix
    created_at      TEXT NOT NULL,
    last_seen       TEXT NOT NULL,
    source          TEXT NOT NULL,
    source_type     TEXT NOT NULL DEFAULT '',
    severity        TEXT NOT NULL,                -- INFO, LOW, MEDIUM, HIGH, CRITICAL
    type            TEXT NOT NULL,                -- brute_force, sqli, xss, dos, ...
    group_name      TEXT NOT NULL DEFAULT '',
    attacker_ip     TEXT,
    scope           TEXT,                         -- the network that the case is about
    ip_lo           BLOB,
    ip_hi           BLOB,
    attacker_geo    TEXT,
    key             TEXT,                         -- group key of rules that group by something else
    user            TEXT,
    description     TEXT NOT NULL,
    raw_log         TEXT,                         -- sample lines, one a line
    risk_score      REAL NOT NULL,                -- 0 to 1, what people are shown
    decision        REAL NOT NULL DEFAULT 0,      -- 0 to 1, what policy acted on
    rule_id         TEXT,
    anomaly_score   REAL,
    llm_explanation TEXT,
    status          TEXT NOT NULL DEFAULT 'open', -- open, acknowledged, resolved, false_positive
    resolved_at     TEXT,
    resolved_by     TEXT,
    event_count     INTEGER NOT NULL DEFAULT 1,
    evidence        TEXT,                         -- JSON
    score_parts     TEXT,                         -- JSON
    mitre           TEXT,                         -- separated by spaces
    action          TEXT NOT NULL DEFAULT '',     -- block, rate_limit, alert
    action_reason   TEXT NOT NULL DEFAULT '',
    previous        TEXT                          -- the case that this one continues
);
-- The first two hold all that lists are filtered by, so that choosing and
-- counting need not read the rows, of which few fit a page. An index by status
-- alone would be chosen and be slower.
CREATE INDEX idx_threats_created ON threats(created_at DESC, id DESC, severity, status, type, last_seen);
CREATE INDEX idx_threats_seen ON threats(last_seen, created_at, id, severity, status, type);
CREATE INDEX idx_threats_severity ON threats(severity, created_at);
CREATE INDEX idx_threats_ip ON threats(ip_lo);
CREATE UNIQUE INDEX idx_threats_reversed ON threats(id_reversed);

-- A block in force is a row of type block and status active.
CREATE TABLE actions (
    id         TEXT PRIMARY KEY,               -- ULID
    threat_id  TEXT REFERENCES threats(id) ON DELETE SET NULL,
    created_at TEXT NOT NULL,
    type       TEXT NOT NULL,                  -- block, unblock, rate_limit, alert, allow, disallow, status, refused
    target_ip  TEXT,                           -- if the prefix is one address
    prefix     TEXT,
    ip_lo      BLOB,
    ip_hi      BLOB,
    duration   INTEGER,                        -- seconds, NULL: permanent or not a block
    expires_at TEXT,
    status     TEXT NOT NULL DEFAULT 'active', -- active, expired, revoked, done, refused
    revoked_by TEXT,
    revoked_at TEXT,
    reason     TEXT NOT NULL DEFAULT '',
    origin     TEXT NOT NULL DEFAULT '',       -- rule, cli, bot, cloud
    actor      TEXT,
    backend    TEXT,
    simulated  INTEGER NOT NULL DEFAULT 0,
    score      REAL NOT NULL DEFAULT 0,
    forced     INTEGER NOT NULL DEFAULT 0      -- by a person, although allowlisted by configuration
);
CREATE INDEX idx_actions_threat ON actions(threat_id);
CREATE INDEX idx_actions_expires ON actions(expires_at) WHERE status = 'active';
CREATE INDEX idx_actions_status ON actions(status);
CREATE INDEX idx_actions_created ON actions(created_at);
CREATE INDEX idx_actions_ip ON actions(ip_lo);
CREATE UNIQUE INDEX idx_actions_block ON actions(prefix) WHERE type = 'block' AND status = 'active';

-- The path is not unique: during a rotation two sources may hold one file.
CREATE TABLE log_sources (
    id              TEXT PRIMARY KEY,
    path            TEXT NOT NULL,
    type            TEXT NOT NULL DEFAULT '',
    status          TEXT NOT NULL DEFAULT 'active',
    device          INTEGER NOT NULL DEFAULT 0,
    last_inode      INTEGER,
    last_offset     INTEGER NOT NULL DEFAULT 0,
    fingerprint     INTEGER NOT NULL DEFAULT 0,
    fingerprint_len INTEGER NOT NULL DEFAULT 0,
    discovered_at   TEXT NOT NULL,
    last_event_at   TEXT
);

CREATE TABLE baselines (
    source_type  TEXT NOT NULL,
    hour_of_day  INTEGER NOT NULL, -- 0-23
    day_of_week  INTEGER NOT NULL, -- 0-6
    metric       TEXT NOT NULL,
    mean         REAL NOT NULL,
    stddev       REAL NOT NULL,
    sample_count INTEGER NOT NULL,
    updated_at   TEXT NOT NULL,
    PRIMARY KEY (source_type, hour_of_day, day_of_week, metric)
);

CREATE TABLE ip_reputation (
    ip             TEXT PRIMARY KEY, -- an IPv4 address or the /64 of an IPv6 one
    ip_lo          BLOB NOT NULL,
    first_seen     TEXT NOT NULL,
    last_seen      TEXT NOT NULL,
    total_events   INTEGER NOT NULL DEFAULT 0,
    threat_count   INTEGER NOT NULL DEFAULT 0,
    is_blocked     INTEGER NOT NULL DEFAULT 0,
    is_whitelisted INTEGER NOT NULL DEFAULT 0,
    geo_country    TEXT,
    geo_city       TEXT,
    notes          TEXT
);
CREATE INDEX idx_reputation_ip ON ip_reputation(ip_lo);
CREATE INDEX idx_reputation_seen ON ip_reputation(last_seen);

CREATE TABLE notifications (
    id        TEXT PRIMARY KEY,
    threat_id TEXT REFERENCES threats(id) ON DELETE CASCADE,
    channel   TEXT NOT NULL, -- telegram, webhook, email
    sent_at   TEXT NOT NULL,
    status    TEXT NOT NULL, -- sent, failed, pending
    error     TEXT
);
CREATE INDEX idx_notifications_threat ON notifications(threat_id);
CREATE INDEX idx_notifications_sent ON notifications(sent_at);

CREATE TABLE agent_state (
    key        TEXT PRIMARY KEY,
    value      TEXT NOT NULL,
    updated_at TEXT NOT NULL
);

-- +goose Down
DROP TABLE agent_state;
DROP TABLE notifications;
DROP TABLE ip_reputation;
DROP TABLE baselines;
DROP TABLE log_sources;
DROP TABLE actions;
DROP TABLE threats;
