-- A block may be a rate limit: it lets some traffic pass. A prefix has one of
-- either in force.

-- +goose Up
ALTER TABLE actions ADD COLUMN rate TEXT; -- of type rate_limit: 10/m
DROP INDEX idx_actions_block;
CREATE UNIQUE INDEX idx_actions_block ON actions(prefix) WHERE type IN ('block', 'rate_limit') AND status = 'active';

-- +goose Down
DROP INDEX idx_actions_block;
DELETE FROM actions WHERE type = 'rate_limit' AND status = 'active';
CREATE UNIQUE INDEX idx_actions_block ON actions(prefix) WHERE type = 'block' AND status = 'active';
ALTER TABLE actions DROP COLUMN rate;
