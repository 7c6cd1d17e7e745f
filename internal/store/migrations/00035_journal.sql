-- What lets a start after a crash go on exactly where the last commit was: from
-- where its lines were read, until the next snapshot of the windows is written,
-- and what it changed of threats that are not stored whole yet.

-- +goose Up
CREATE TABLE journal (
    seq   INTEGER PRIMARY KEY, -- of the commit
    spans BLOB,                -- what was read, see journal.go
    cases BLOB
);

-- +goose Down
DROP TABLE journal;
