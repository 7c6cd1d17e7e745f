-- Blocks that wait for a confirmation; what is good about an address; names whose
-- addresses are never blocked.

-- +goose Up
ALTER TABLE actions ADD COLUMN trial INTEGER NOT NULL DEFAULT 0; -- lifted at expires_at unless confirmed
ALTER TABLE actions ADD COLUMN until_at TEXT;                    -- of a trial: its end if it is confirmed

ALTER TABLE ip_reputation ADD COLUMN logins INTEGER NOT NULL DEFAULT 0; -- that succeeded
ALTER TABLE ip_reputation ADD COLUMN days INTEGER NOT NULL DEFAULT 0;   -- on which it was used without harm
ALTER TABLE ip_reputation ADD COLUMN good_since TEXT;                   -- the first of them
ALTER TABLE ip_reputation ADD COLUMN good_last TEXT;                    -- and the last
ALTER TABLE ip_reputation ADD COLUMN key_login TEXT;                    -- last login with a key,
ALTER TABLE ip_reputation ADD COLUMN key_user TEXT;                     -- and whose
CREATE INDEX idx_reputation_good ON ip_reputation(good_last) WHERE good_last IS NOT NULL;

CREATE TABLE allow_names (
    name       TEXT PRIMARY KEY, -- lower case, without the final dot
    reason     TEXT NOT NULL DEFAULT '',
    origin     TEXT NOT NULL DEFAULT '',
    actor      TEXT,
    created_at TEXT NOT NULL
);

-- +goose Down
DROP TABLE allow_names;
DROP INDEX idx_reputation_good;
ALTER TABLE ip_reputation DROP COLUMN key_user;
ALTER TABLE ip_reputation DROP COLUMN key_login;
ALTER TABLE ip_reputation DROP COLUMN good_last;
ALTER TABLE ip_reputation DROP COLUMN good_since;
ALTER TABLE ip_reputation DROP COLUMN days;
ALTER TABLE ip_reputation DROP COLUMN logins;
ALTER TABLE actions DROP COLUMN until_at;
ALTER TABLE actions DROP COLUMN trial;
