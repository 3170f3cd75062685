package catalog

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// proxy passes bytes between clients and a PostgreSQL server, and cuts a connection when it carries a COMMIT.
type proxy struct {
	ln     net.Listener
	target string
	wg     sync.WaitGroup

	cut   atomic.Int32 // see below
	fired atomic.Int32
}

// Where the proxy cuts: not, before the server has seen the commit, or after it, when the client cannot know.
const (
	cutNever int32 = iota
	cutBefore
	cutAfter
)

// newProxy returns a DSN that leads through a proxy.
func newProxy(t *testing.T, dsn string) (*proxy, string) {
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{ln: ln, target: u.Host}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		ln.Close()
		p.wg.Wait()
	})
	u.Host = ln.Addr().String()
	return p, u.String()
}

func (p *proxy) accept() {
	for {
		client, err := p.ln.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			client.Close()
			continue
		}
		p.wg.Go(func() { p.toServer(client, server) })
		p.wg.Go(func() {
			io.Copy(client, server) // ends with either connection
			client.Close()
		})
	}
}

func (p *proxy) toServer(client, server net.Conn) {
	defer server.Close()
	buf := make([]byte, 1<<16)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		commit := bytes.Contains(bytes.ToLower(buf[:n]), []byte("commit\x00"))
		mode := p.cut.Load()
		if commit && mode == cutBefore {
			p.fired.Add(1)
			client.Close()
			return
		}
		if commit && mode == cutAfter {
			p.fired.Add(1)
			client.Close() // the reply finds nobody
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
	}
}

// C3: the connection is lost around the commit, so that the caller cannot know; asked again the answer is as if nothing had
// been.
func TestConnectionLostInCommit(t *testing.T) {
	for _, tt := range []struct {
		name string
		cut  int32
	}{{"before", cutBefore}, {"after", cutAfter}} {
		t.Run(tt.name, func(t *testing.T) {
			p, dsn := newProxy(t, postgresDSN(t))
			c := openAt(t, dsn)
			table, epoch := begun(t, c, 0)
			m := staged(table, epoch, rng(0, 0, 10), 3)
			s := Supplement{TableID: table, Requeue: 1, Range: rng(0, 3, 4), Offsets: []int64{3}, File: &File{Key: table + "/s", Records: 1}}
			skip := gone(table, epoch, "skipped", rng(0, 10, 12))
			calls := []func() error{
				func() error { return c.Commit(context.Background(), m) },
				func() error { return c.CommitSupplement(context.Background(), s) },
				func() error {
					got, err := c.Skip(context.Background(), Skip{TableID: table, Epoch: epoch, Row: skip})
					if err == nil && got != epoch+1 {
						t.Errorf("skip: epoch %d, want %d", got, epoch+1)
					}
					return err
				},
			}
			for i, call := range calls {
				p.cut.Store(tt.cut)
				if err := call(); !errors.Is(err, ErrUnavailable) {
					t.Fatalf("call %d: got %v, want ErrUnavailable", i, err)
				}
				p.cut.Store(cutNever)
				if p.fired.Load() != int32(i+1) {
					t.Fatalf("call %d: %d connections were cut, want %d", i, p.fired.Load(), i+1)
				}
				if err := call(); err != nil {
					t.Fatalf("call %d again: %v", i, err)
				}
			}
			wantDiff(t, "ranges", []string{"p0 [0,10)", "p0 [10,12)"}, ranges(entries(t, c, LedgerQuery{TableID: table})))
		})
	}
}

// A server that ends all connections (a restart, a failover) is ErrUnavailable at worst, and then all goes on.
func TestServerEndsConnections(t *testing.T) {
	dsn := postgresDSN(t)
	c, other := openAt(t, dsn), openAt(t, dsn)
	table, epoch := begun(t, c, 0)
	for i := int64(0); i < 3; i++ {
		m := staged(table, epoch, rng(0, i, i+1))
		n := 0
		c.onStatement = func(string) error {
			n++
			if n != 3 { // in the middle of the transaction
				return nil
			}
			// This server may serve others: only connections to this schema end.
			_, err := other.w.Exec(`SELECT pg_terminate_backend(pid, 10000) FROM pg_locks l
				WHERE l.relation = 'partitions'::regclass AND l.pid <> pg_backend_pid()`)
			return err
		}
		if err := c.Commit(context.Background(), m); !errors.Is(err, ErrUnavailable) {
			t.Fatalf("commit %d on an ended connection: got %v, want ErrUnavailable", i, err)
		}
		c.onStatement = nil
		if err := c.Commit(context.Background(), m); err != nil {
			t.Fatalf("commit %d again: %v", i, err)
		}
	}
	wantDiff(t, "ranges", []string{"p0 [0,1)", "p0 [1,2)", "p0 [2,3)"}, ranges(entries(t, c, LedgerQuery{TableID: table})))
}

// C8: nobody listens, or the lock is held: the call comes back in its time, as ErrUnavailable.
func TestServerDoesNotAnswer(t *testing.T) {
	dsn := postgresDSN(t)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0") // accepts and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	u.Host = ln.Addr().String()
	if _, err := Open(context.Background(), u.String(), Options{ConnectTimeout: 50 * time.Millisecond}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("open on a silent server: got %v, want ErrUnavailable", err)
	}

	c := openAt(t, dsn)
	table, epoch := begun(t, c, 0)
	lock, err := c.w.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock.Exec(`SELECT 1 FROM partitions WHERE table_id = $1 FOR UPDATE`, table); err != nil {
		t.Fatal(err)
	}
	usual := c.opts.CallTimeout
	c.opts.CallTimeout = 50 * time.Millisecond
	m := staged(table, epoch, rng(0, 0, 1))
	if err := c.Commit(context.Background(), m); !errors.Is(err, ErrUnavailable) {
		t.Errorf("commit on a locked partition: got %v, want ErrUnavailable", err)
	}
	c.opts.CallTimeout = usual
	if err := lock.Rollback(); err != nil {
		t.Fatal(err)
	}
	mustCommit(t, c, m)
}
