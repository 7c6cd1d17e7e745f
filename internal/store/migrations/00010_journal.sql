-- Where the journal was read to.

-- +goose Up
ALTER TABLE log_sources ADD COLUMN cursor TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE log_sources DROP COLUMN cursor;
