-- What is usual of each log, and what the anomaly stage needs to go on.

-- +goose Up
DROP TABLE baselines;
CREATE TABLE baselines (
    source       TEXT NOT NULL,
    source_type  TEXT NOT NULL DEFAULT '',
    hour_of_day  INTEGER NOT NULL, -- 0-23, of local time
    day_of_week  INTEGER NOT NULL, -- 0-6, 0 is Sunday
    metric       TEXT NOT NULL,
    mean         REAL NOT NULL,    -- mean and stddev are of transformed values:
    stddev       REAL NOT NULL,    -- ln(1+x) of counts, asin(sqrt(x)) of shares
    sample_count INTEGER NOT NULL, -- at most 48
    updated_at   TEXT NOT NULL,
    PRIMARY KEY (source, hour_of_day, day_of_week, metric)
);
CREATE TABLE anomaly_state (
    name       TEXT PRIMARY KEY, -- a source, or another part of the stage
    kind       TEXT NOT NULL,    -- series, addresses
    data       BLOB NOT NULL,
    updated_at TEXT NOT NULL
);

-- +goose Down
DROP TABLE anomaly_state;
DROP TABLE baselines;
CREATE TABLE baselines (
    source_type  TEXT NOT NULL,
    hour_of_day  INTEGER NOT NULL,
    day_of_week  INTEGER NOT NULL,
    metric       TEXT NOT NULL,
    mean         REAL NOT NULL,
    stddev       REAL NOT NULL,
    sample_count INTEGER NOT NULL,
    updated_at   TEXT NOT NULL,
    PRIMARY KEY (source_type, hour_of_day, day_of_week, metric)
);
