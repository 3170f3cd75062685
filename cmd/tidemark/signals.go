package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// errInterrupted is the cause of a context that a signal has ended.
var errInterrupted = errors.New("interrupted")

const (
	exitInterrupted = 130
	defaultStop     = 30 * time.Second
	stopGrace       = 5 * time.Second // beyond the limit of a clean stop, in which the parts end by themselves
)

// diverted calls f on each Ctrl-C, which then stops nothing else, until it is given nil.
func (a *app) diverted(f func()) {
	if f == nil {
		a.interrupts.Store(nil)
		return
	}
	a.interrupts.Store(&f)
}

// interruptible returns a context that the first signal ends. The second one ends the process, and so does a stop that
// takes longer than its limit: what is committed is whole at any moment, so nothing is lost by that.
func (a *app) interruptible(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for stopped := false; !stopped; {
			select {
			case s := <-a.signals:
				f := a.interrupts.Load()
				if stopped = f == nil || s != os.Interrupt; !stopped {
					(*f)()
				}
			case <-done:
				return
			}
		}
		fmt.Fprintln(a.stderr, "\ntidemark: stopping: what is in hand is finished and committed (Ctrl-C again ends at once)")
		cancel(errInterrupted)
		limit := defaultStop
		if l := a.limit.Load(); l > 0 {
			limit = time.Duration(l)
		}
		timer := time.NewTimer(limit + stopGrace)
		defer timer.Stop()
		select {
		case <-a.signals:
			fmt.Fprintln(a.stderr, "tidemark: ended at once: nothing is lost, the next start goes on where the catalog's commits end")
			a.exit(exitInterrupted)
		case <-timer.C:
			fmt.Fprintf(a.stderr, "tidemark: not stopped within %s, ended: nothing is lost, the next start goes on where the catalog's commits end\n", limit)
			a.exit(1)
		case <-done:
		}
	}()
	return ctx, func() {
		close(done)
		<-ended
		cancel(nil)
	}
}
