-- What people said of threats that were purged since, by rule.

-- +goose Up
CREATE TABLE rule_marks (
    rule_id TEXT NOT NULL,
    status  TEXT NOT NULL, -- resolved, false_positive
    count   INTEGER NOT NULL,
    PRIMARY KEY (rule_id, status)
);

-- +goose Down
DROP TABLE rule_marks;
