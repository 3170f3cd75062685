package hbase

import (
	"sync"

	"github.com/tsuna/gohbase"
)

// clients lends out the client of the present. One that was replaced is closed by the last of those who use it still: closed
// under their hands, it would fail calls that the server was about to answer.
type clients struct {
	dial func() gohbase.Client // calls no server

	mu     sync.Mutex // guards what follows
	now    *lent
	closed bool
}

// lent is a client with the calls that are under way on it. clients.mu guards it.
type lent struct {
	gohbase.Client
	users int
	old   bool // another one has taken its place
}

func newClients(dial func() gohbase.Client) *clients {
	return &clients{dial: dial, now: &lent{Client: dial()}}
}

// use returns the client for one call. done is called once, at its end; every call has one, since it has a deadline (H4).
func (c *clients) use() (_ gohbase.Client, done func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.now
	l.users++
	return l.Client, func() {
		c.mu.Lock()
		l.users--
		last := l.old && l.users == 0
		c.mu.Unlock()
		if last {
			l.Close()
		}
	}
}

// renew puts another client in the place of the present one: the back-off of one grows without bound in a long outage.
func (c *clients) renew() {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	l := c.now
	c.now, l.old = &lent{Client: c.dial()}, true
	idle := l.users == 0
	c.mu.Unlock()
	if idle {
		l.Close()
	}
}

// close ends the present client, whoever uses it.
func (c *clients) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.now.Close()
}
