package query_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/query/duck"
)

// hanging is a store that does not answer for keys with a prefix, as S3 does now and then.
type hanging struct {
	blob.Store
	prefix string
}

func (h hanging) Open(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	if !strings.HasPrefix(key, h.prefix) {
		return h.Store.Open(ctx, key, off, n)
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// The time-out of a statement holds while the store hangs, wherever it reads, and its turn is free again.
func TestTimeoutWhileTheStoreHangs(t *testing.T) {
	w := someWorld(t)
	for _, c := range []struct{ prefix, sql string }{
		{"segments/", "SELECT country, count(*) FROM shop GROUP BY 1"},
		{"staged/", "SELECT country, count(*) FROM shop GROUP BY 1"},
		{"staged/", "SELECT page, count(*) FROM shop GROUP BY 1"},
		{"staged/", "SELECT ts, country FROM shop"},
		{"staged/", "SELECT a.page FROM shop a, shop b WHERE a.bytes = b.bytes"},
	} {
		e := w.limited(query.Options{Store: hanging{w.store, c.prefix}, Timeout: 100 * time.Millisecond, Concurrent: 1, RawConcurrent: 1, Queue: 1, QueueWait: time.Nanosecond, RawQueueWait: time.Nanosecond})
		for range 2 { // the second time there is a turn
			_, err := answered(e, query.Request{SQL: c.sql})
			var late *query.TimeoutError
			if !errors.As(err, &late) {
				t.Errorf("%s while %s hangs: %v, want a time-out", c.sql, c.prefix, err)
			}
		}
		if running, _ := e.Statements(); len(running) != 0 {
			t.Errorf("%s while %s hangs: %d statements run after the time-out", c.sql, c.prefix, len(running))
		}
	}
}

// An answer that is larger than all memory that statements may have is streamed: what is alive at a time stays small.
func TestLargeAnswersStream(t *testing.T) {
	const megabyte = 1 << 20
	w := someWorld(t)
	e := w.limited(query.Options{Memory: 16 * megabyte, Duck: duck.Options{MemoryBytes: 64 * megabyte, HeapBytes: 96 * megabyte, MaxConns: 4, Threads: 2}})
	for _, sql := range []string{
		"SELECT range, repeat('x', 500) FROM range(400000)",
		"SELECT s.ts, s.country, repeat('x', 500) || s.bytes FROM shop s, range(2000)",
	} {
		a, err := e.Query(context.Background(), query.Request{SQL: sql})
		must(t, err)
		var all, least, most int64
		for n := 0; ; n++ {
			rec, err := a.Next()
			if err == io.EOF {
				break
			}
			must(t, err)
			for _, c := range rec.Columns() {
				for _, b := range c.Data().Buffers() {
					if b != nil {
						all += int64(b.Len())
					}
				}
			}
			rec.Release()
			if n%20 == 0 {
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				if most = max(most, int64(m.HeapAlloc)); least == 0 {
					least = int64(m.HeapAlloc)
				}
			}
		}
		must(t, a.Close())
		if all < 150*megabyte || most-least > 32*megabyte {
			t.Errorf("%s: of an answer of %d bytes %d more were alive than at its beginning: want at least %d, and at most %d", sql, all, most-least, 150*megabyte, 32*megabyte)
		}
	}
}
