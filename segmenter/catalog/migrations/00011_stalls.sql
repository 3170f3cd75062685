-- Valid for SQLite and PostgreSQL alike, as 00001. Attempts at a job that ended because a store did not answer, since one that ended
-- otherwise: they say nothing of the job, and have a limit of their own.

-- +goose Up
ALTER TABLE jobs ADD COLUMN stalls INTEGER NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE jobs DROP COLUMN stalls;
