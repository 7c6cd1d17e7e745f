-- Where attackers are, where users log in from, and countries and networks that
-- are never blocked.

-- +goose Up
ALTER TABLE threats ADD COLUMN attacker_network TEXT; -- "AS64500 Example"

CREATE TABLE user_places (
    user       TEXT NOT NULL,
    country    TEXT NOT NULL,             -- ISO 3166
    first_seen TEXT NOT NULL,             -- the first login from there
    last_seen  TEXT NOT NULL,
    days       INTEGER NOT NULL DEFAULT 1, -- on which there was one
    last_ip    TEXT,
    asn        INTEGER NOT NULL DEFAULT 0, -- of last_ip
    PRIMARY KEY (user, country)
);
CREATE INDEX idx_user_places_seen ON user_places(last_seen);

CREATE TABLE allow_places (
    place      TEXT PRIMARY KEY, -- AS64500 or country:DE
    reason     TEXT NOT NULL DEFAULT '',
    origin     TEXT NOT NULL DEFAULT '',
    actor      TEXT,
    created_at TEXT NOT NULL
);

-- +goose Down
DROP TABLE allow_places;
DROP INDEX idx_user_places_seen;
DROP TABLE user_places;
ALTER TABLE threats DROP COLUMN attacker_network;
