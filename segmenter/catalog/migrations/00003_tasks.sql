-- Valid for SQLite and PostgreSQL alike, as 00001. Columns that end in _tick count in the task clock: microseconds that
-- schedulers have been running, by their monotonic clocks. Nothing is decided by the wall clock (_us) but what was missed
-- while nobody ran.

-- +goose Up

-- Every transaction that changes a task locks this row first, so that all of them have one order.
CREATE TABLE task_queue (
  one            INTEGER PRIMARY KEY CHECK (one = 1),
  tick           BIGINT  NOT NULL, -- the task clock; never goes back
  next_seq       BIGINT  NOT NULL, -- of ids and of places in the queue
  live           BIGINT  NOT NULL, -- tasks that have not ended
  exclusive_id   BIGINT  NOT NULL, -- the exclusive task that waits for the others to end, or runs; 0: none
  exclusive_tick BIGINT  NOT NULL  -- since when it waits
);
INSERT INTO task_queue (one, tick, next_seq, live, exclusive_id, exclusive_tick) VALUES (1, 0, 1, 0, 0, 0);

CREATE TABLE tasks (
  id           BIGINT  PRIMARY KEY,
  kind         TEXT    NOT NULL,
  task_key     TEXT    NOT NULL, -- empty: exclusive
  dedup        TEXT    NOT NULL,
  idempotency  TEXT    NOT NULL,
  spec         TEXT    NOT NULL, -- JSON
  submitted_by TEXT    NOT NULL,
  slots        INTEGER NOT NULL, -- 0: tasks of the key run one after another; n: up to n at once
  yield_us     BIGINT  NOT NULL,
  max_attempts INTEGER NOT NULL,
  state        TEXT    NOT NULL, -- init, running, finished, failed, cancelled
  live         INTEGER NOT NULL, -- 1: init or running
  paused       INTEGER NOT NULL DEFAULT 0,
  ask          TEXT    NOT NULL DEFAULT '', -- cancel, pause: of a running one
  attempts     INTEGER NOT NULL DEFAULT 0,
  epoch        BIGINT  NOT NULL DEFAULT 0,
  problem      TEXT    NOT NULL DEFAULT '', -- of the last attempt
  gave_way     INTEGER NOT NULL DEFAULT 0,
  node         TEXT    NOT NULL DEFAULT '',
  incarnation  BIGINT  NOT NULL DEFAULT 0,
  seq          BIGINT  NOT NULL, -- place in the queue: order of submission
  rank_tick    BIGINT  NOT NULL, -- queued plus yield: order of starting
  queued_tick  BIGINT  NOT NULL,
  due_tick     BIGINT  NOT NULL, -- not before
  lease_tick   BIGINT  NOT NULL DEFAULT 0, -- of a running one: ends after
  created_us   BIGINT  NOT NULL,
  started_us   BIGINT  NOT NULL DEFAULT 0, -- of the last attempt
  ended_us     BIGINT  NOT NULL DEFAULT 0,
  ended_seq    BIGINT  NOT NULL DEFAULT 0 -- counts the ended ones of the kind
);
CREATE INDEX tasks_queue ON tasks (rank_tick, seq) WHERE live = 1;
CREATE INDEX tasks_key ON tasks (task_key, seq) WHERE live = 1;
CREATE INDEX tasks_running ON tasks (id) WHERE state = 'running';
CREATE INDEX tasks_ended ON tasks (kind, ended_seq) WHERE live = 0;
CREATE UNIQUE INDEX tasks_idempotency ON tasks (idempotency) WHERE idempotency <> '';

CREATE TABLE task_kinds (
  kind     TEXT    PRIMARY KEY,
  ended    BIGINT  NOT NULL,
  failures INTEGER NOT NULL -- in a row
);

-- When a task was last made by a timer.
CREATE TABLE task_timers (
  kind      TEXT   NOT NULL,
  task_key  TEXT   NOT NULL,
  made_tick BIGINT NOT NULL,
  made_us   BIGINT NOT NULL,
  PRIMARY KEY (kind, task_key)
);

CREATE TABLE nodes (
  name        TEXT   PRIMARY KEY,
  incarnation BIGINT NOT NULL,
  address     TEXT   NOT NULL,
  roles       TEXT   NOT NULL, -- separated by commas
  version     TEXT   NOT NULL, -- of the program
  started_us  BIGINT NOT NULL,
  seen_us     BIGINT NOT NULL,
  seen_tick   BIGINT NOT NULL
);

-- +goose Down
DROP TABLE nodes;
DROP TABLE task_timers;
DROP TABLE task_kinds;
DROP TABLE tasks;
DROP TABLE task_queue;
