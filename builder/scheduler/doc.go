// Package scheduler decides which task runs now, and runs it: short decisions one at a time per key, longer bodies beside
// them up to a limit, exclusive tasks alone. It knows no cubes; what a kind of task does is its Run function, and where
// tasks are kept is a Store that several processes share. Every change of a task is one transaction of the Store, so that
// a process may die between any two of them.
//
//   - T1: of an ordered key (Slots 0) at most one task runs, and they run in order of submission. A task that waits for its
//     next attempt, or is paused, holds back those behind it.
//   - T2: of a pooled key (Slots n, the bodies) at most n tasks run at once, on all processes together.
//   - T3: an exclusive task (empty key) runs alone. It waits at most ExclusiveWait for what is running, then gives way and
//     queues again; at most one waits. While it waits for bodies no further body starts, decisions go on; when the last
//     body has ended nothing starts. It waits under a lease that those who would run it renew: without any of them nobody
//     waits for it.
//   - T4: an outcome counts only under the task's current epoch, and is one transaction with the tasks that it spawns: a
//     task has one outcome, whoever else ran it before.
//   - T5: nothing stays stuck. A lease that is not renewed is taken over; a process that starts again under its node's name
//     takes its own over at once, and so it does what it was given without learning of it.
//   - T6: ready tasks start in the order of (time of submission + Yield). So a task lets those pass that come within its
//     Yield after it (a merge lets builds pass), and nothing that comes later: none starves.
//   - T7: a periodic task is made once an interval over all processes, and not while one of it waits.
//   - T8: leases, delays and waits are counted in ticks of the task clock, which counts the microseconds that schedulers
//     have been running, by the differences of their monotonic clocks. No jump of a wall clock, here or at the database, ends
//     or prolongs a lease, and the clocks of two machines need not agree. The holder of a lease stops before others may
//     take it; only where it cannot stop (a frozen process) does it take the epoch to refuse it.
//   - T9: a pass costs what is live and does not grow with what has ended (I8). Live and ended tasks, attempts, delays and
//     what runs here have limits with names (I10).
//   - T10: a process may leave decisions (with exclusive and periodic tasks) or bodies to others: Decisions or Bodies below
//     0. All else holds over all processes together, whatever each of them runs.
package scheduler
