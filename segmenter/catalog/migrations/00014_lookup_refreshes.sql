-- Valid for SQLite and PostgreSQL alike, as 00001. Lookup tables may be snapshots of a query.

-- +goose Up

-- What became of the refreshes of the newest version's query. Of a version that was just stored all times are that of storing it.
ALTER TABLE lookups ADD COLUMN tried_us BIGINT NOT NULL DEFAULT 0;
ALTER TABLE lookups ADD COLUMN refreshed_us BIGINT NOT NULL DEFAULT 0; -- the last one that succeeded, whether it changed anything or not
ALTER TABLE lookups ADD COLUMN failures BIGINT NOT NULL DEFAULT 0; -- in a row
ALTER TABLE lookups ADD COLUMN problem TEXT NOT NULL DEFAULT ''; -- of the last one, if it failed

-- +goose Down
ALTER TABLE lookups DROP COLUMN problem;
ALTER TABLE lookups DROP COLUMN failures;
ALTER TABLE lookups DROP COLUMN refreshed_us;
ALTER TABLE lookups DROP COLUMN tried_us;
