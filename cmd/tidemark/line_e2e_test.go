//go:build e2e

package main_test

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// slowLine passes bytes to a server, until they are held: then nothing comes back.
type slowLine struct {
	ln     net.Listener
	target string

	mu    sync.Mutex
	open  map[net.Conn]bool
	held  chan struct{} // not nil: answers wait until it is closed
	ended bool          // whoever connects is hung up on
}

// newSlowLine returns a line to a store, and the store's address through it.
func newSlowLine(t *testing.T, store string) (*slowLine, string) {
	t.Helper()
	u, err := url.Parse(store)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	end, err := url.Parse(q.Get("endpoint"))
	if err != nil {
		t.Fatal(err)
	}
	l := slowLineTo(t, end.Host)
	end.Host = l.ln.Addr().String()
	q.Set("endpoint", end.String())
	u.RawQuery = q.Encode()
	return l, u.String()
}

// newSlowCatalog returns a line to a catalog, and the catalog's address through it.
func newSlowCatalog(t *testing.T, dsn string) (*slowLine, string) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	l := slowLineTo(t, u.Host)
	u.Host = l.ln.Addr().String()
	return l, u.String()
}

func slowLineTo(t *testing.T, target string) *slowLine {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &slowLine{ln: ln, target: target, open: map[net.Conn]bool{}}
	var all sync.WaitGroup
	all.Go(func() { l.accept(&all) })
	t.Cleanup(func() {
		l.close()
		all.Wait()
	})
	return l
}

func (l *slowLine) accept(all *sync.WaitGroup) {
	for {
		client, err := l.ln.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", l.target)
		if err != nil {
			client.Close()
			continue
		}
		l.mu.Lock()
		if l.ended {
			client.Close()
			server.Close()
		}
		l.open[client], l.open[server] = true, true
		l.mu.Unlock()
		pass := func(to, from net.Conn, held bool) {
			_, _ = io.Copy(to, pipe{from, l, held}) // it ends with either of them
			to.Close()
			from.Close()
		}
		all.Go(func() { pass(server, client, false) })
		all.Go(func() { pass(client, server, true) })
	}
}

// pipe is a connection whose bytes wait while the line is held.
type pipe struct {
	net.Conn
	l    *slowLine
	held bool
}

func (c pipe) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.held {
		c.l.mu.Lock()
		held := c.l.held
		c.l.mu.Unlock()
		if held != nil {
			<-held
		}
	}
	return n, err
}

func (l *slowLine) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = make(chan struct{})
}

// goOn lets the bytes pass again.
func (l *slowLine) goOn() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held != nil {
		close(l.held)
		l.held = nil
	}
}

// cut breaks all connections.
func (l *slowLine) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		c.Close()
	}
	clear(l.open)
}

// hangUp breaks all connections, and those that are made, until answer is called.
func (l *slowLine) hangUp() {
	l.goOn()
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	l.cut()
}

func (l *slowLine) answer() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = false
}

func (l *slowLine) close() {
	l.ln.Close()
	l.hangUp()
}
