package pgwire_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tidemarkdb/tidemark/internal/server/pgwire/lexer"
)

// FuzzSession sends a start message and then whatever comes: the session answers or ends, and the server goes on (W1).
func FuzzSession(f *testing.F) {
	var all []byte
	for _, m := range []pgproto3.FrontendMessage{
		&pgproto3.Parse{Name: "s", Query: "SELECT $1::INTEGER", ParameterOIDs: []uint32{23}}, &pgproto3.Bind{PreparedStatement: "s", Parameters: [][]byte{{0, 0, 0, 1}}, ParameterFormatCodes: []int16{1}},
		&pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{MaxRows: 1}, &pgproto3.Sync{}, &pgproto3.Query{String: "BEGIN; DECLARE c CURSOR FOR SELECT 1; FETCH ALL FROM c; SHOW ALL"},
		&pgproto3.Query{String: "SELECT relname FROM pg_class WHERE oid = 'clicks'::regclass"}, &pgproto3.Close{ObjectType: 'S', Name: "s"}, &pgproto3.Flush{}, &pgproto3.Terminate{},
	} {
		b, err := m.Encode(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		all = append(all, b...)
	}
	f.Add(all)
	f.Add([]byte{'Q', 0, 0, 0, 3})
	f.Add([]byte{'B', 0, 0, 0, 20, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	start, err := (&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "ann", "options": "-c statement_timeout=200"}}).Encode(nil)
	if err != nil {
		f.Fatal(err)
	}
	served := newWorld(f, nil)
	f.Fuzz(func(t *testing.T, data []byte) {
		w := world{t: t, address: served.address} // one server for all inputs
		c := w.dial()
		if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write(append(start, data...)); err != nil {
			return // the session has ended in the midst of it
		}
		must(t, c.(*net.TCPConn).CloseWrite())
		if _, err := io.Copy(io.Discard, c); err != nil && isTimeout(err) {
			t.Fatalf("the session hangs after %q", data)
		}
		// A session whose client has gone ends on its own time: there may be too many for a moment.
		err := asked(w.address)
		busy, end := new(pgconn.PgError), time.Now().Add(time.Minute)
		for errors.As(err, &busy) && busy.Code == "53300" && time.Now().Before(end) {
			err = asked(w.address)
		}
		if err != nil {
			t.Fatalf("after %q: %v", data, err)
		}
	})
}

// asked opens a session and asks it the simplest statement.
func asked(address string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := pgx.Connect(ctx, "postgres://ann@"+address+"/default")
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	var one int
	return c.QueryRow(ctx, "SELECT 1").Scan(&one)
}

func isTimeout(err error) bool {
	n, ok := err.(net.Error)
	return ok && n.Timeout()
}

// Messages that are right one by one, in an order that makes no sense.
func TestRandomOrder(t *testing.T) {
	w := newWorld(t, nil)
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	name := func() string { return []string{"", "a", "b"}[r.IntN(3)] }
	texts := []string{"SELECT 1", "BEGIN", "COMMIT", "SELECT nothing", "", "DECLARE a CURSOR FOR SELECT 1", "FETCH 1 FROM a", "CLOSE ALL", "DISCARD ALL", "SELECT $1", "ROLLBACK", "SHOW work_mem"}
	for range 20 {
		c := w.connect("").PgConn()
		front := c.Frontend()
		for range 30 {
			text := texts[r.IntN(len(texts))]
			front.Send([]pgproto3.FrontendMessage{
				&pgproto3.Parse{Name: name(), Query: text}, &pgproto3.Bind{DestinationPortal: name(), PreparedStatement: name()}, &pgproto3.Describe{ObjectType: 'P', Name: name()},
				&pgproto3.Describe{ObjectType: 'S', Name: name()}, &pgproto3.Execute{Portal: name(), MaxRows: uint32(r.IntN(3))}, &pgproto3.Close{ObjectType: 'P', Name: name()},
				&pgproto3.Close{ObjectType: 'S', Name: name()}, &pgproto3.Sync{}, &pgproto3.Query{String: text}, &pgproto3.Flush{},
			}[r.IntN(10)])
		}
		front.Send(&pgproto3.Sync{})
		front.Send(&pgproto3.Terminate{})
		must(t, front.Flush())
		for {
			if _, err := front.Receive(); err != nil {
				if !isEOF(err) {
					t.Fatalf("seed %d: %v", seed, err)
				}
				break
			}
		}
	}
}

func isEOF(err error) bool { return err == io.EOF || err == io.ErrUnexpectedEOF }

// FuzzSplit holds L1 and L2.
func FuzzSplit(f *testing.F) {
	for _, s := range []string{"SELECT 1; SELECT 'a;b' -- ;\n; /* /* ; */ */ $x$ ; $x$", "E'\\''", `"a""b"`, "$1::int", "'", "$$", "/*", "1e+5.x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		at := 0
		for _, s := range lexer.Split(sql) {
			if s.From < at || s.Text != sql[s.From:s.From+len(s.Text)] || s.Text == "" {
				t.Fatalf("%q: statement %q at %d, after %d", sql, s.Text, s.From, at)
			}
			in := 0
			for _, k := range s.Tokens {
				if k.From < in || k.To <= k.From || k.To > len(s.Text) {
					t.Fatalf("%q: token %+v after %d", sql, k, in)
				}
				in = k.To
			}
			at = s.From + len(s.Text)
		}
	})
}
