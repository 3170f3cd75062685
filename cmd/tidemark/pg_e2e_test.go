//go:build e2e

package main_test

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tidemarkdb/tidemark/internal/testkit"
)

// pgDemo runs a demo with some page views and returns the address of its PostgreSQL port.
func pgDemo(t *testing.T) string {
	t.Helper()
	p := testkit.Start(t, testkit.Command{Args: []string{"demo", "--data", t.TempDir(), "--http", "127.0.0.1:0", "--rate", "500"}})
	address := p.WaitLine(`psql postgres://(127\.0\.0\.1:\d+)/default`)[1]
	c, err := pgx.Connect(t.Context(), "postgres://ann@"+address+"/default")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	testkit.Until(t, "page views are read", func(ctx context.Context) error {
		var n int64
		if err := c.QueryRow(ctx, "SELECT count(*) FROM pageviews").Scan(&n); err != nil {
			return err
		}
		if n < 1000 {
			return errors.New("not yet 1000")
		}
		return nil
	})
	return address
}

// client runs a program that ends with "ok".
func client(t *testing.T, name string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil || !strings.HasSuffix(strings.TrimSpace(string(out)), "ok") {
		t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// The clients that people have, as they are.
func TestPostgresClients(t *testing.T) {
	address := pgDemo(t)
	file := func(name string) string { return filepath.Join("testdata", "clients", name) }
	t.Run("psql", func(t *testing.T) { psql(t, address) })
	t.Run("pgx", func(t *testing.T) { pgxClient(t, address) })
	t.Run("jdbc", func(t *testing.T) { client(t, "java", "-cp", testkit.JDBC(t), file("Postgres.java"), address) })
	t.Run("python", func(t *testing.T) { client(t, testkit.PGPython(t), file("postgres.py"), address) })
}

func psql(t *testing.T, address string) {
	for _, c := range []struct{ command, want string }{
		{`\dt`, `public \| pageviews \| table`},
		{`\d`, `public \| pageviews \| table`},
		{`\d pageviews`, `country\s+\| text(.|\n)*ts\s+\| timestamp without time zone|ts\s+\| timestamp without time zone(.|\n)*country\s+\| text`},
		{`\d+ pageviews`, `country\s+\| text`},
		{`\d nowhere`, `Did not find any relation named "nowhere"`},
		{`\l`, `default\s+\| tidemark`},
		{`\dn`, `public`},
		{`\df`, `\(0 rows\)`},
		{`\du`, `tidemark`},
		{`SELECT count(*) > 0 AS some, 'é' AS e FROM pageviews`, `some \| e(.|\n)*t\s+\| é`},
		{`SELECT nothing FROM pageviews`, `ERROR:  .*nothing(.|\n)*LINE 1: SELECT nothing FROM pageviews\n\s+\^`},
		{`EXPLAIN SELECT count(*) FROM pageviews`, `QUERY PLAN(.|\n)*pageviews`},
		{`SHOW tidemark.raw`, `tidemark.raw`},
		{`INSERT INTO pageviews VALUES (1)`, `ERROR:  cannot execute INSERT`},
		{`SELECT 1; SELECT 2 AS two`, `two`},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		out, err := exec.CommandContext(ctx, "psql", "-X", "-h", host(address), "-p", port(address), "-U", "ann", "-d", "default", "-c", c.command).CombinedOutput()
		cancel()
		if !regexp.MustCompile(c.want).Match(out) {
			t.Errorf("%s: %v\n%s\nwant %s", c.command, err, out, c.want)
		}
	}
}

func host(address string) string { return address[:strings.LastIndexByte(address, ':')] }

func port(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }

func pgxClient(t *testing.T, address string) {
	ctx := t.Context()
	for _, mode := range []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"} {
		c, err := pgx.Connect(ctx, "postgres://ann@"+address+"/default?default_query_exec_mode="+mode)
		if err != nil {
			t.Fatalf("%s: %v", mode, err)
		}
		if mode != "simple_protocol" { // whose parameters pgx writes into the text
			var sum int64
			err = c.QueryRow(ctx, "SELECT $1::BIGINT + count(*) FROM pageviews WHERE bytes > $2 AND country <> $3", int64(7), 10, "ZZ").Scan(&sum)
			if err != nil || sum <= 7 {
				t.Errorf("%s: %d, %v", mode, sum, err)
			}
		}
		var at time.Time
		var country string
		if err := c.QueryRow(ctx, "SELECT max(ts), min(country) FROM pageviews").Scan(&at, &country); err != nil || at.IsZero() || country == "" {
			t.Errorf("%s: %v %q, %v", mode, at, country, err)
		}
		_, err = c.Exec(ctx, "SELECT nothing FROM pageviews")
		if e := new(pgconn.PgError); !errors.As(err, &e) || e.Code != "42703" || e.Position != 8 {
			t.Errorf("%s: %v", mode, err)
		}
		limited, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		_, err = c.Exec(limited, "SELECT sum(a.x * b.x) FROM range(100000000) AS a(x), range(1000) AS b(x)")
		cancel()
		if err == nil {
			t.Errorf("%s: a context that ended did nothing", mode)
		}
		c.Close(ctx)
	}
}
