-- What may never be blocked by order of people, what was read each minute, and
-- the shapes of lines that were not understood.

-- +goose Up
CREATE TABLE allow_entries (
    prefix     TEXT PRIMARY KEY,
    reason     TEXT NOT NULL DEFAULT '',
    origin     TEXT NOT NULL DEFAULT '',
    actor      TEXT,
    created_at TEXT NOT NULL
);

CREATE TABLE counters (
    minute   INTEGER NOT NULL, -- minutes since 1970
    source   TEXT NOT NULL,
    events   INTEGER NOT NULL DEFAULT 0,
    parsed   INTEGER NOT NULL DEFAULT 0,
    unparsed INTEGER NOT NULL DEFAULT 0,
    matched  INTEGER NOT NULL DEFAULT 0,
    threats  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (minute, source)
) WITHOUT ROWID;

CREATE TABLE unparsed_shapes (
    source    TEXT NOT NULL,
    shape     TEXT NOT NULL,
    sample    TEXT NOT NULL,
    count     INTEGER NOT NULL,
    last_seen TEXT NOT NULL,
    PRIMARY KEY (source, shape)
) WITHOUT ROWID;

-- +goose Down
DROP TABLE unparsed_shapes;
DROP TABLE counters;
DROP TABLE allow_entries;
