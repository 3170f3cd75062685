package scheduler

import (
	"context"
	"errors"
	"time"
)

var (
	// ErrLeaseLost is in the chain when an outcome comes too late: the task was taken over or has ended. Nothing of it
	// counts.
	ErrLeaseLost = errors.New("the lease was lost")

	// ErrQueueFull is in the chain when as many tasks are live as the Store allows. Nothing was submitted.
	ErrQueueFull = errors.New("the task queue is full")

	// ErrNodeReplaced is in the chain when another process has registered under this node's name: this one must stop.
	ErrNodeReplaced = errors.New("another process has taken this node's name")
)

// Store keeps tasks for all processes. Each call is one transaction; calls of all processes have one order. A call that
// fails with another error than those named may have taken effect or not, and can be made again.
type Store interface {
	// Register makes n known and returns its incarnation, higher than any before under this name. What former ones held is
	// free for the taking.
	Register(ctx context.Context, n Node) (incarnation int64, err error)

	// Submit adds tasks, all or none, and returns them, or those that stand for them. It fails with ErrQueueFull.
	Submit(ctx context.Context, list []Submission) ([]Task, error)

	// Pass renews, takes over, makes what is periodic and claims, in this order; see Pass. It fails with ErrNodeReplaced.
	Pass(ctx context.Context, p Pass) (Passed, error)

	// Finish ends an attempt. The same outcome once more is a success. It fails with ErrLeaseLost, and with ErrQueueFull
	// where there is no room for what is spawned.
	Finish(ctx context.Context, o Outcome) error

	// Control does action to a task by hand and returns it as it is then. What makes no sense, such as pausing a task that
	// has ended, is refused with a reason.
	Control(ctx context.Context, id int64, action string) (Task, error)
}

// Node is a process as others see it.
type Node struct {
	Name    string // of one running process at a time, the same after a restart
	Address string // host:port where it is asked; may be empty
	Roles   []string
	Version string // of the program
}

// Pass is one round of a process.
type Pass struct {
	Node        string
	Incarnation int64
	Tick        int64 // what the task clock must show by now, as far as this process knows; it never goes back
	First       bool  // of this incarnation: an interval that passed while nobody ran counts too, by the wall clock

	// Held are the leases that the process knows of; they are renewed. What runs in its name and is not among them was
	// claimed by a call whose answer was lost, and goes back.
	Held          []Lease
	Lease         time.Duration
	ExclusiveWait time.Duration

	Kinds     []string // that it can run
	Decides   bool     // it takes ordered and exclusive tasks, if not now then once one of those that it holds has ended
	Decisions int      // how many more of them it takes now
	Bodies    int      // how many more pooled tasks

	Periodic []Periodic
	Slack    time.Duration // a periodic task may come so much early
	Stats    bool          // asked for
}

// Timer is the Dedup of tasks that a timer has made.
const Timer = "timer"

// Periodic is made by a timer.
type Periodic struct {
	Every      time.Duration
	Submission Submission // without Idempotency; the Store makes it with the Dedup Timer
}

// Passed answers a Pass.
type Passed struct {
	Tick            int64
	Claimed         []Task
	Lost            []Lease // of Held: taken over or ended
	Asked           []Task  // of Held: with an Ask
	Failed          []Task  // ended here: the process died in their last attempt
	TakenOver       int     // leases that ran out, whoever held them
	GaveWay         int
	ExclusiveWaitUs int64 // how long an exclusive task has been waiting for the others to end; 0: none waits
	Stats           []KindStats
}

// KindStats counts live tasks of a kind, and how it fares.
type KindStats struct {
	Kind     string
	Waiting  int
	Running  int
	OldestUs int64 // in task time, of those waiting
	Failures int   // in a row: tasks that failed since one finished
}
