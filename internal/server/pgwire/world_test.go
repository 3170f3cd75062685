package pgwire_test

import (
	"context"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/server/pgwire"
	"github.com/tidemarkdb/tidemark/internal/testkit"
	"github.com/tidemarkdb/tidemark/internal/testkit/catalogtest"
	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

const clicks = `table: clicks
topic: clicks
event_time: {column: ts}
columns:
  - {name: ts, type: timestamp(ms)}
  - {name: url, type: string}
  - {name: bytes, type: int64}
  - {name: seconds, type: float64}
  - {name: price, type: "decimal(12,2)"}
  - {name: day, type: date}
  - {name: robot, type: bool}
`

// world is a server over a real catalog and engine, whose table is empty.
type world struct {
	t        testing.TB
	engine   *query.Engine
	server   *pgwire.Server
	registry *prometheus.Registry
	address  string
	stop     context.CancelFunc
	ended    chan error
}

// newWorld starts one; change may set options.
func newWorld(t testing.TB, change func(*pgwire.Options)) *world {
	t.Helper()
	ctx := t.Context()
	c, err := catalog.Open(ctx, catalogtest.Put(t, filepath.Join(t.TempDir(), "catalog.db")), catalog.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, c.Close()) })
	def, err := cube.ParseTable([]byte(clicks), "")
	must(t, err)
	_, err = c.ApplyTable(ctx, def)
	must(t, err)
	w := &world{t: t, registry: prometheus.NewRegistry(), ended: make(chan error, 1)}
	o := query.Options{Catalog: c, Store: new(blob.Mem)}
	o.Duck.TempDir = t.TempDir()
	o.Duck.MemoryBytes = 256 << 20
	w.engine, err = query.New(o)
	must(t, err)
	t.Cleanup(func() { must(t, w.engine.Close()) })
	po := pgwire.Options{Query: w.engine, Catalog: c, Version: "test", Registry: w.registry}
	if change != nil {
		change(&po)
	}
	w.server, err = pgwire.New(po)
	must(t, err)
	ln, err := pgwire.Listen(ctx, "127.0.0.1:0", false)
	must(t, err)
	w.address = ln.Addr().String()
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	w.stop = stop
	go func() { w.ended <- w.server.Run(running, ln, 5*time.Second) }()
	t.Cleanup(func() {
		stop()
		must(t, <-w.ended)
		w.ended <- nil
		must(t, w.server.Close())
	})
	return w
}

// connect opens a session of pgx; more is what stands behind the database's name.
func (w *world) connect(more string) *pgx.Conn {
	w.t.Helper()
	c, err := pgx.Connect(w.t.Context(), "postgres://ann@"+w.address+"/default"+more)
	must(w.t, err)
	w.t.Cleanup(func() { must(w.t, c.Close(context.WithoutCancel(w.t.Context()))) })
	return c
}

// dial opens a connection that speaks nothing yet.
func (w *world) dial() net.Conn {
	w.t.Helper()
	c, err := new(net.Dialer).DialContext(w.t.Context(), "tcp", w.address)
	must(w.t, err)
	w.t.Cleanup(func() { c.Close() })
	return c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestMetricsAreDocumented(t *testing.T) {
	testkit.CheckMetrics(t, newWorld(t, nil).registry, "tidemark_pg_")
}

func TestSelect(t *testing.T) {
	c := newWorld(t, nil).connect("")
	var n int64
	must(t, c.QueryRow(t.Context(), "SELECT count(*) FROM clicks WHERE bytes > $1", 5).Scan(&n))
	if n != 0 {
		t.Errorf("got %d", n)
	}
}
