package run

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"golang.org/x/sync/errgroup"
)

// group is an errgroup in which a panic is one of whoever waits, so that it ends a query and not the process.
type group struct {
	*errgroup.Group

	once  sync.Once
	fault string // the first panic, with its stack
}

// errPanic ends the others of a group; nobody is told.
var errPanic = errors.New("a panic")

func newGroup(ctx context.Context) (*group, context.Context) {
	g := new(group)
	g.Group, ctx = errgroup.WithContext(ctx)
	return g, ctx
}

// Go runs f beside the others.
func (g *group) Go(f func() error) {
	g.Group.Go(func() (err error) {
		defer func() {
			if v := recover(); v != nil {
				g.once.Do(func() { g.fault = fmt.Sprintf("%v\n%s", v, debug.Stack()) })
				err = errPanic
			}
		}()
		return f()
	})
}

// Wait returns the first error when all have ended.
func (g *group) Wait() error {
	err := g.Group.Wait()
	if g.fault != "" {
		panic(g.fault)
	}
	return err
}
