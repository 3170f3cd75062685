package pgwire_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tidemarkdb/tidemark/internal/server/pgwire"
	"github.com/tidemarkdb/tidemark/query"
)

// endless is a statement that takes longer than any test.
const endless = "SELECT sum(a.x * b.x) FROM range(100000000) AS a(x), range(100000) AS b(x)"

// code returns the SQLSTATE of an error, "" of none.
func code(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func TestErrors(t *testing.T) {
	c := newWorld(t, nil).connect("")
	for _, x := range []struct {
		sql, code string
		position  int32
	}{
		{"SELEC 1", "42601", 0},
		{"SELECT 'é', nothing FROM clicks", "42703", 13},
		{"SELECT * FROM nowhere", "42P01", 15},
		{"SELECT count(*) FROM clicks; SELECT nothing FROM clicks", "42703", 37},
		{"SELECT nofunction(1)", "42883", 0},
		{"SELECT url, count(*) FROM clicks", "42803", 0},
		{"SELECT 'x'::INTEGER", "22P02", 0},
		{"SELECT 300::TINYINT", "22003", 0},
		{"SELECT 9223372036854775807::BIGINT + 1::BIGINT", "22003", 0},
		{"INSERT INTO clicks VALUES (1)", "25006", 0},
		{"SELECT * FROM read_csv('/etc/passwd')", "42501", 0},
		{"SELECT getenv('HOME')", "42501", 0},
		{"COPY clicks TO STDOUT", "0A000", 0},
		{"COPY clicks FROM STDIN", "0A000", 0},
		{"COPY (SELECT 1) TO '/tmp/x'", "0A000", 0},
		{"PREPARE p AS SELECT 1", "0A000", 0},
		{"EXECUTE p(1)", "0A000", 0},
		{"LISTEN changes", "", 0},
		{"UNLISTEN *", "", 0},
		{"NOTIFY changes", "25006", 0},
		{"LOCK TABLE clicks", "25006", 0},
		{"DO $$BEGIN END$$", "25006", 0},
		{"CREATE TABLE x (a INT)", "25006", 0},
		{"ATTACH ':memory:' AS x", "0A000", 0},
		{"PRAGMA database_list", "0A000", 0},
		{"INSTALL httpfs", "0A000", 0},
		{"SUMMARIZE clicks", "0A000", 0},
		{"SET statement_timeout = 'soon'", "22023", 0},
		{"RESET nothing", "42704", 0},
		{"SELECT '\xff'", "22021", 9},
		{"SET nothing = 1", "42704", 0},
		{"SET tidemark.raw = maybe", "22023", 0},
		{"SET tidemark.as_of = 'x'", "22023", 0},
		{"SHOW nothing", "42704", 0},
		{"SELECT 'nothing'::regclass", "42P01", 0},
		{"SELECT * FROM pg_catalog.pg_nothing", "42P01", 0},
		{"SELECT $1", "42P02", 0},
		{"FETCH 1 FROM nothing", "34000", 0},
		{"DEALLOCATE nothing", "26000", 0},
	} {
		_, err := c.Exec(t.Context(), x.sql, pgx.QueryExecModeSimpleProtocol)
		if got := code(err); got != x.code {
			t.Errorf("%s: %s (%v), want %s", x.sql, got, err, x.code)
		}
		if e := new(pgconn.PgError); x.position > 0 && errors.As(err, &e) && e.Position != x.position {
			t.Errorf("%s: at %d, want %d", x.sql, e.Position, x.position)
		}
	}
	var one int
	if err := c.QueryRow(t.Context(), "SELECT 1").Scan(&one); err != nil || one != 1 {
		t.Errorf("after all that: %d, %v", one, err)
	}
}

// Values are the same in text and binary, and what they are.
func TestValues(t *testing.T) {
	c := newWorld(t, nil).connect("")
	const sql = `SELECT true, 1::SMALLINT, -2::INTEGER, 3::BIGINT, 1.5::FLOAT, -2.25::DOUBLE, 12.30::DECIMAL(9,2), (-0.0001)::DECIMAL(9,4), 10000::HUGEINT * 1000000000000000000,
		'é', '\xFF\x00'::BLOB, DATE '1969-12-31', TIME '01:02:03.5', TIMESTAMP '2026-02-03 04:05:06.000789', TIMESTAMPTZ '2026-02-03 04:05:06+02',
		'12345678-1234-1234-1234-123456789abc'::UUID, [1, NULL, 3]::BIGINT[], ['a', 'b,"c\', NULL, '', 'NULL'], NULL, INTERVAL '14 months 3 days 4 hours', {'a': 1},
		1e20::DOUBLE, 'nan'::DOUBLE, 0.00001::DOUBLE, 255::UTINYINT, 18446744073709551615::UBIGINT, DATE '0044-03-15 (BC)'`
	want := []string{
		"t", "1", "-2", "3", "1.5", "-2.25", "12.30", "-0.0001", "10000000000000000000000", "é", `\xff00`, "1969-12-31", "01:02:03.5", "2026-02-03 04:05:06.000789",
		"2026-02-03 02:05:06+00", "12345678-1234-1234-1234-123456789abc", "{1,NULL,3}", `{a,"b,\"c\\",NULL,"","NULL"}`, "", "1 year 2 mons 3 days 04:00:00", `{"a":1}`,
		"1e+20", "NaN", "1e-05", "255", "18446744073709551615", "0044-03-15 BC",
	}
	r := c.PgConn().ExecParams(t.Context(), sql, nil, nil, nil, nil).Read()
	must(t, r.Err)
	var got []string
	for _, v := range r.Rows[0] {
		got = append(got, string(v))
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("text: %s", d)
	}
	b := c.PgConn().ExecParams(t.Context(), sql, nil, nil, nil, []int16{1}).Read()
	must(t, b.Err)
	for i, f := range b.FieldDescriptions {
		typ, ok := c.TypeMap().TypeForOID(f.DataTypeOID)
		if !ok {
			t.Fatalf("column %d has type %d", i, f.DataTypeOID)
		}
		x, err := typ.Codec.DecodeValue(c.TypeMap(), f.DataTypeOID, 1, b.Rows[0][i])
		must(t, err)
		y, err := typ.Codec.DecodeValue(c.TypeMap(), f.DataTypeOID, 0, r.Rows[0][i])
		must(t, err)
		if fmt.Sprint(x) != fmt.Sprint(y) {
			t.Errorf("column %d of type %s: binary %v, text %v", i, typ.Name, x, y)
		}
	}
}

// What is sent as a parameter comes back the same, whatever way it is sent.
func TestParameters(t *testing.T) {
	w := newWorld(t, nil)
	at := time.Date(2026, 2, 3, 4, 5, 6, 789000, time.UTC)
	for _, mode := range []string{"cache_statement", "cache_describe", "describe_exec", "exec"} {
		c := w.connect("?default_query_exec_mode=" + mode)
		var (
			n    int64
			f    float64
			s    string
			b    bool
			ts   time.Time
			raw  []byte
			list []int64
			no   *int32
		)
		err := c.QueryRow(t.Context(), "SELECT $1::BIGINT, $2::DOUBLE, $3::VARCHAR, $4::BOOLEAN, $5::TIMESTAMP, $6::BLOB, $7::BIGINT[], $8::INTEGER",
			int64(-5), 2.5, "it's", true, at, []byte{0, 255}, []int64{1, 2}, no).Scan(&n, &f, &s, &b, &ts, &raw, &list, &no)
		if mode == "exec" { // which says no type of bytes: DuckDB reads their text otherwise
			raw = []byte{0, 255}
		}
		if err != nil || n != -5 || f != 2.5 || s != "it's" || !b || !ts.Equal(at) || string(raw) != "\x00\xff" || fmt.Sprint(list) != "[1 2]" || no != nil {
			t.Errorf("%s: %v %v %q %v %v %v %v %v, %v", mode, n, f, s, b, ts, raw, list, no, err)
		}
		must(t, c.QueryRow(t.Context(), "SELECT count(*) FROM clicks WHERE bytes > $1 AND url = $2 AND ts < $3 AND url = ANY($4)", 5, "x", at, []string{"a"}).Scan(&n))
	}
	// Without a type, a parameter has that of what it is compared with.
	d, err := w.connect("").Prepare(t.Context(), "p", "SELECT * FROM clicks WHERE bytes > $1 AND price = $2 AND day = $3 AND robot = $4 AND url LIKE $5 LIMIT $6")
	must(t, err)
	if got, want := fmt.Sprint(d.ParamOIDs), "[20 1700 1082 16 25 20]"; got != want || len(d.Fields) != 7 {
		t.Errorf("parameters %s, want %s; %d columns", got, want, len(d.Fields))
	}
}

// Text that is none is refused as PostgreSQL does, whatever way it is sent.
func TestNoText(t *testing.T) {
	c := newWorld(t, nil).connect("").PgConn()
	for _, x := range []struct {
		value  string
		format int16
		oid    uint32
	}{{"a\x00b", 0, 25}, {"\xff", 0, 25}, {"a\x00b", 1, 25}, {"\xff", 1, 0}, {"{a,\xff}", 0, 1009}, {"\x00", 0, 1082}} {
		r := c.ExecParams(t.Context(), "SELECT $1", [][]byte{[]byte(x.value)}, []uint32{x.oid}, []int16{x.format}, nil).Read()
		if code(r.Err) != "22021" {
			t.Errorf("%q of type %d in format %d: %v", x.value, x.oid, x.format, r.Err)
		}
	}
	r := c.ExecParams(t.Context(), "SELECT $1", [][]byte{{'a', 0, 0xff}}, []uint32{17}, []int16{1}, nil).Read()
	if r.Err != nil || string(r.Rows[0][0]) != `\x6100ff` {
		t.Errorf("bytes: %q, %v", r.Rows, r.Err)
	}
}

func TestPortalsAndCursors(t *testing.T) {
	c := newWorld(t, nil).connect("")
	f := c.PgConn().Frontend()
	f.Send(&pgproto3.Parse{Query: "SELECT x FROM range(5000) AS r(x)"})
	f.Send(&pgproto3.Bind{})
	for range 3 {
		f.Send(&pgproto3.Execute{MaxRows: 2000})
	}
	f.Send(&pgproto3.Execute{MaxRows: 2000})
	f.Send(&pgproto3.Sync{})
	must(t, f.Flush())
	var seen []string
	rows := 0
	for {
		m, err := f.Receive()
		must(t, err)
		if _, ok := m.(*pgproto3.DataRow); ok {
			rows++
			continue
		}
		seen = append(seen, strings.TrimPrefix(fmt.Sprintf("%T", m), "*pgproto3.")+fmt.Sprint(rows))
		if _, ok := m.(*pgproto3.ReadyForQuery); ok {
			break
		}
	}
	want := "ParseComplete0 BindComplete0 PortalSuspended2000 PortalSuspended4000 CommandComplete5000 CommandComplete5000 ReadyForQuery5000"
	if got := strings.Join(seen, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}

	tx, err := c.Begin(t.Context())
	must(t, err)
	_, err = tx.Exec(t.Context(), "DECLARE some CURSOR FOR SELECT x FROM range(10) AS r(x)")
	must(t, err)
	var n int
	must(t, tx.QueryRow(t.Context(), "FETCH 1 FROM some").Scan(&n))
	_, err = tx.Exec(t.Context(), "MOVE 3 FROM some")
	must(t, err)
	must(t, tx.QueryRow(t.Context(), "FETCH NEXT FROM some").Scan(&n))
	if n != 4 {
		t.Errorf("after 1 and 3 rows: %d", n)
	}
	must(t, tx.Commit(t.Context()))
}

func TestTransactions(t *testing.T) {
	c := newWorld(t, nil).connect("")
	exec := func(sql, want string) {
		t.Helper()
		if _, err := c.Exec(t.Context(), sql); code(err) != want {
			t.Errorf("%s: %v, want %q", sql, err, want)
		}
	}
	exec("BEGIN", "")
	exec("SAVEPOINT a", "")
	exec("SELECT nothing FROM clicks", "42703")
	exec("SELECT 1", "25P02")
	exec("ROLLBACK TO a", "")
	exec("SELECT 1", "")
	exec("SELECT nothing FROM clicks", "42703")
	exec("COMMIT", "")
	exec("SELECT 1", "")
	if s := c.PgConn().TxStatus(); s != 'I' {
		t.Errorf("status %c", s)
	}
}

// W4: a statement is interrupted by its client, by its time, and when its client is gone.
func TestEndedFromOutside(t *testing.T) {
	w := newWorld(t, nil)
	c := w.connect("")
	cancelled := make(chan error, 1)
	go func() {
		var err error
		for running := 0; running == 0 && err == nil; {
			list, _ := w.engine.Statements()
			running = len(list)
		}
		cancelled <- c.PgConn().CancelRequest(context.WithoutCancel(t.Context()))
	}()
	_, err := c.Exec(t.Context(), endless)
	if code(err) != "57014" || !strings.Contains(err.Error(), "user request") {
		t.Errorf("cancelled: %v", err)
	}
	must(t, <-cancelled)
	_, err = c.Exec(t.Context(), "SET statement_timeout = 20")
	must(t, err)
	if _, err = c.Exec(t.Context(), endless); code(err) != "57014" || !strings.Contains(err.Error(), "statement timeout") {
		t.Errorf("too long: %v", err)
	}
	gone := w.connect("")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := gone.Exec(ctx, endless); err == nil {
		t.Error("an endless statement was answered")
	}
	for running := 1; running > 0; { // until the engine has noticed
		list, _ := w.engine.Statements()
		running = len(list)
	}
}

func TestConnectionsAreLimited(t *testing.T) {
	w := newWorld(t, func(o *pgwire.Options) { o.Connections = 1 })
	w.connect("")
	_, err := pgx.Connect(t.Context(), "postgres://ann@"+w.address+"/default")
	if code(err) != "53300" {
		t.Errorf("a second session: %v", err)
	}
	_, err = pgx.Connect(t.Context(), "postgres://ann@"+w.address+"/nowhere")
	if code(err) != "3D000" || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("a project that is not there: %v", err)
	}
}

// busy refuses all statements.
type busy struct{ *query.Engine }

func (busy) Query(context.Context, query.Request) (*query.Answer, error) {
	return nil, &query.BusyError{Running: 1, Waiting: 1}
}

func TestBusy(t *testing.T) {
	c := newWorld(t, func(o *pgwire.Options) { o.Query = busy{o.Query.(*query.Engine)} }).connect("")
	if _, err := c.Exec(t.Context(), "SELECT 1"); code(err) != "53300" {
		t.Errorf("got %v", err)
	}
}

// W6: a session cannot hold more than it may.
func TestSessionsAreLimited(t *testing.T) {
	c := newWorld(t, func(o *pgwire.Options) { o.Statements, o.SessionBytes, o.MessageBytes = 3, 20<<10, 64<<10 }).connect("?default_query_exec_mode=exec")
	for i := range 4 {
		_, err := c.Prepare(t.Context(), fmt.Sprint("s", i), "SELECT 1")
		if want := map[bool]string{true: "54000"}[i == 3]; code(err) != want {
			t.Errorf("statement %d: %v, want %q", i, err, want)
		}
	}
	_, err := c.Exec(t.Context(), "DEALLOCATE ALL")
	must(t, err)
	if _, err := c.Prepare(t.Context(), "long", "SELECT '"+strings.Repeat("x", 30<<10)+"'"); code(err) != "54000" {
		t.Errorf("a long statement: %v", err)
	}
	if _, err := c.Exec(t.Context(), "SELECT '"+strings.Repeat("x", 70<<10)+"'"); code(err) != "54000" {
		t.Errorf("a long message: %v", err)
	}
}

func TestListenRefuses(t *testing.T) {
	for address, want := range map[string]string{"0.0.0.0:0": "refused", "nonsense": "host:port"} {
		if ln, err := pgwire.Listen(t.Context(), address, false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v %v", address, ln, err)
		}
	}
}

// The server stops while sessions are idle, and tells them.
func TestStop(t *testing.T) {
	w := newWorld(t, nil)
	c := w.connect("")
	w.stop()
	must(t, <-w.ended)
	w.ended <- nil
	if _, err := c.Exec(t.Context(), "SELECT 1"); err == nil {
		t.Error("a session outlived its server")
	}
}
