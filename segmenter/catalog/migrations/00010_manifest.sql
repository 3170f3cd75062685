-- Valid for SQLite and PostgreSQL alike, as 00001. What a manifest says beside what its row says is held against this hash.

-- +goose Up
ALTER TABLE segments ADD COLUMN manifest_sha256 TEXT NOT NULL DEFAULT ''; -- hex; empty: published before this was kept

-- +goose Down
ALTER TABLE segments DROP COLUMN manifest_sha256;
