package scheduler

import (
	"encoding/json"
	"time"
)

// States of a task.
const (
	Init      = "init" // waits: for its turn, its key, its next attempt, or to be resumed
	Running   = "running"
	Finished  = "finished"
	Failed    = "failed"
	Cancelled = "cancelled"
)

// What can be done to a task by hand (Store.Control).
const (
	Cancel = "cancel" // a waiting task ends at once, a running one when its Run returns
	Retry  = "retry"  // a failed or cancelled task queues again, at the end; a waiting one need not wait for its next attempt
	Pause  = "pause"  // a waiting task stays where it is and holds back its ordered key; a running one is stopped first
	Resume = "resume"
)

// Task is one row of the queue.
type Task struct {
	ID          int64
	Kind        string
	Key         string // what it is serialized by; empty: exclusive
	Dedup       string
	Spec        json.RawMessage // never changes
	SubmittedBy string
	Slots       int // 0: one after another; n: up to n of the key at once
	Yield       time.Duration
	MaxAttempts int

	State    string
	Paused   bool
	Ask      string // Cancel or Pause, while a running task has yet to obey
	Attempts int    // begun, the present one included; those given back are not counted
	Epoch    int64  // rises with every attempt
	Error    string // of the last attempt, or why it waits
	GaveWay  int    // how often an exclusive task did
	Node     string // that runs it, or ran it last

	CreatedUs int64 // wall clock, for people
	StartedUs int64 // of the last attempt; 0: none
	EndedUs   int64 // 0: live
	WaitedUs  int64 // in task time since it was queued, at the time of reading
	DueInUs   int64 // in task time until it may start, at the time of reading; not above 0: now
}

// Submission asks for a task.
type Submission struct {
	Kind        string
	Key         string          // empty: exclusive
	Dedup       string          // not empty: a waiting task of the same kind, key, dedup and spec is returned instead of a new one
	Idempotency string          // not empty: the task that was submitted under it before is returned, whatever has become of it
	Spec        json.RawMessage // JSON; empty: null
	SubmittedBy string
	Slots       int           // bodies: how many of the key may run at once; 0: in order, one at a time
	Yield       time.Duration // priority: it lets those pass that are submitted within so long after it
	MaxAttempts int           // 0: the default of its kind
	Delay       time.Duration // not before
}

// Lease is the right to bring a task's outcome.
type Lease struct {
	ID    int64
	Epoch int64
}

// Outcome ends an attempt.
type Outcome struct {
	Lease   Lease
	State   string // Finished, Failed, Cancelled, or Init: to be run again
	Error   string
	Delay   time.Duration // Init: not before
	Uncount bool          // Init: the attempt does not count
	Pause   bool          // Init: until it is resumed
	Spawn   []Submission  // Finished: submitted in the same transaction
}
