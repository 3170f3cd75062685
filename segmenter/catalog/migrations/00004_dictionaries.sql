-- Valid for SQLite and PostgreSQL alike, as 00001.

-- +goose Up

-- Dictionaries of string columns for exact distinct counts: one of each table column, in slices that are only ever appended.
CREATE TABLE dictionaries (
  table_id    TEXT   NOT NULL REFERENCES tables (id),
  column_name TEXT   NOT NULL,
  slices      BIGINT NOT NULL, -- number of the last one
  value_count BIGINT NOT NULL, -- of all slices: the next id
  PRIMARY KEY (table_id, column_name)
);

CREATE TABLE dictionary_slices (
  table_id    TEXT   NOT NULL,
  column_name TEXT   NOT NULL,
  slice       BIGINT NOT NULL, -- counts from 1
  object_key  TEXT   NOT NULL UNIQUE,
  size        BIGINT NOT NULL,
  sha256      TEXT   NOT NULL,
  first_id    BIGINT NOT NULL,
  value_count BIGINT NOT NULL,
  created_us  BIGINT NOT NULL,
  PRIMARY KEY (table_id, column_name, slice),
  FOREIGN KEY (table_id, column_name) REFERENCES dictionaries (table_id, column_name)
);

-- +goose Down
DROP TABLE dictionary_slices;
DROP TABLE dictionaries;
