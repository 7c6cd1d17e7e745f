-- What became of an attack, and why we think so.

-- +goose Up
ALTER TABLE threats ADD COLUMN outcome TEXT;
ALTER TABLE threats ADD COLUMN outcome_why TEXT;

-- +goose Down
ALTER TABLE threats DROP COLUMN outcome_why;
ALTER TABLE threats DROP COLUMN outcome;
