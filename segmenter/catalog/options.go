package catalog

import (
	"errors"
	"fmt"
	"time"
)

// Options bound what a Catalog takes and how long it waits. The zero value of a field means its default.
type Options struct {
	MaxConns       int           // open connections (SQLite: readers; there is always one writer); default 8
	ConnectTimeout time.Duration // of one new connection to PostgreSQL; default 5s
	CallTimeout    time.Duration // of one call, waiting for a connection or lock included; default 15s
	ScanTimeout    time.Duration // of one iteration over a ledger or over keys; default 10m
	IdleTimeout    time.Duration // a connection unused for so long is closed; default 5m
	MaxRequests    int           // pending roll requests (a partition each) and re-read requests, each; default 10,000
	MaxTasks       int           // tasks that have not ended; default 20,000
	KeepTasks      int           // tasks that have ended, of each kind; older ones are deleted; default 10,000
	SnapshotRows   int           // ledger rows that a QuerySnapshot keeps; with more they are asked for; default 200,000

	// Fault is nil but in tests that break a catalog on purpose: it is asked before a transaction begins, and again when it
	// has taken effect. Its error becomes the call's.
	Fault func(done bool) error
}

func (o Options) withDefaults() Options {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&o.ConnectTimeout, 5*time.Second)
	def(&o.CallTimeout, 15*time.Second)
	def(&o.ScanTimeout, 10*time.Minute)
	def(&o.IdleTimeout, 5*time.Minute)
	if o.MaxConns == 0 {
		o.MaxConns = 8
	}
	if o.MaxRequests == 0 {
		o.MaxRequests = 10_000
	}
	if o.MaxTasks == 0 {
		o.MaxTasks = 20_000
	}
	if o.KeepTasks == 0 {
		o.KeepTasks = 10_000
	}
	if o.SnapshotRows == 0 {
		o.SnapshotRows = 200_000
	}
	return o
}

func (o Options) validate() error {
	var errs []error
	if o.MaxConns < 2 {
		errs = append(errs, fmt.Errorf("max conns %d: want at least 2, a call may be made while a ledger is read", o.MaxConns))
	}
	if o.MaxRequests < 1 {
		errs = append(errs, fmt.Errorf("max requests %d: want at least 1", o.MaxRequests))
	}
	if o.MaxTasks < 1 || o.KeepTasks < 1 {
		errs = append(errs, fmt.Errorf("max tasks %d, keep tasks %d: want at least 1", o.MaxTasks, o.KeepTasks))
	}
	if o.SnapshotRows < 1 {
		errs = append(errs, fmt.Errorf("snapshot rows %d: want at least 1", o.SnapshotRows))
	}
	for _, d := range []struct {
		name string
		v    time.Duration
	}{{"connect", o.ConnectTimeout}, {"call", o.CallTimeout}, {"scan", o.ScanTimeout}, {"idle", o.IdleTimeout}} {
		if d.v < time.Millisecond {
			errs = append(errs, fmt.Errorf("%s timeout %v: want at least 1ms", d.name, d.v))
		}
	}
	return errors.Join(errs...)
}
