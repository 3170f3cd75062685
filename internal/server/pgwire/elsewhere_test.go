package pgwire_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tidemarkdb/tidemark/internal/server/pgwire"
	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/query/source"
)

// apart is an engine whose table is read by other processes.
type apart struct{ *query.Engine }

func (e apart) Query(ctx context.Context, r query.Request) (*query.Answer, error) {
	a, err := e.Engine.Query(ctx, r)
	if err == nil && len(a.Tables) > 0 {
		a.Tables[0].Completeness.Elsewhere = []source.Elsewhere{{Partition: 0, Owner: "a", Address: "node-1:7070"}, {Partition: 2, Owner: "b"}, {Partition: 3, Owner: "a", Address: "node-1:7070"}}
	}
	return a, err
}

// An answer without what others hold in memory says so by a notice, unless the session wants none.
func TestNoticeOfMemoryElsewhere(t *testing.T) {
	w := newWorld(t, func(o *pgwire.Options) { o.Query = apart{o.Query.(*query.Engine)} })
	cfg, err := pgx.ParseConfig("postgres://ann@" + w.address + "/default")
	must(t, err)
	var got []*pgconn.Notice
	cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { got = append(got, n) }
	c, err := pgx.ConnectConfig(t.Context(), cfg)
	must(t, err)
	defer c.Close(t.Context())
	var n int64
	must(t, c.QueryRow(t.Context(), "SELECT count(*) FROM clicks").Scan(&n))
	const says, names = "without what other processes hold in memory of 3 partitions", "node-1:7070 reads partitions 0,3; b reads partitions 2"
	if len(got) != 1 || got[0].Severity != "NOTICE" || !strings.Contains(got[0].Message, says) || got[0].Detail != names {
		t.Errorf("notices: %+v, want one with %q and detail %q", got, says, names)
	}
	got = nil
	_, err = c.Exec(t.Context(), "SET tidemark.notices = off")
	must(t, err)
	must(t, c.QueryRow(t.Context(), "SELECT count(*) FROM clicks").Scan(&n))
	if len(got) > 0 {
		t.Errorf("notices that are off: %+v", got)
	}
}
