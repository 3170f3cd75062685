package local

import (
	"bytes"
	"strconv"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/pageviews"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// benchCube has 9 dimensions and 63 cuboids.
const benchCube = `
cube: views
table: views
dimensions: [minute(ts), country, section, page_url, device_type, os, browser, lang, referrer]
measures: MEASURES
groups:
  - {hierarchy: [[device_type, os, browser]], joint: [[section, page_url], [lang, referrer]]}
`

// stagePageviews makes a world of n page views, in files of 250,000.
func stagePageviews(tb testing.TB, n int64, measures string) *world {
	w := &world{t: tb, root: tb.TempDir(), epoch: 1}
	var err error
	w.store, err = blob.NewDir(w.root)
	must(tb, err)
	w.table, err = cube.ParseTable([]byte(pageviews.TableYAML("views", "views")), "views.yaml")
	must(tb, err)
	w.table = w.table.WithDefaults()
	w.table.ID, w.table.Version = "t1", 1
	w.apply(string(bytes.ReplaceAll([]byte(benchCube), []byte("MEASURES"), []byte(measures))))
	gen, err := pageviews.New(pageviews.Options{Partitions: 1, Late: 0.01})
	must(tb, err)
	schema := stage.NewSchema(w.table)
	var ev pageviews.Event
	var text []byte
	for off := int64(0); off < n; {
		r := segmenter.PartitionRange{Start: off, End: min(off+250_000, n)}
		c := stage.NewChunk(schema)
		for ; off < r.End; off++ {
			text = gen.Append(text[:0], &ev)
			appendView(tb, schema, c, off, &ev)
		}
		var buf bytes.Buffer
		foot := stage.Footer{Project: "default", Table: "views", TableID: "t1", Topic: "views", Schema: 1, Range: r, Epoch: 1, Events: int64(c.Rows())}
		enc, err := stage.Encode(&buf, schema, cube.Parquet, foot, []*stage.Chunk{c}, stage.EncodeOptions{})
		must(tb, err)
		key := stage.StagedKey("t1", r, 1, 1, cube.Parquet)
		must(tb, w.store.Create(tb.Context(), key, &buf))
		w.rows = append(w.rows, catalog.LedgerEntry{
			LedgerRow: segmenter.LedgerRow{Range: r, State: segmenter.Staged, Events: foot.Events}, Epoch: 1,
			File: &catalog.File{Key: key, Size: enc.Size, SHA256: enc.SHA256, Format: cube.Parquet, Schema: 1, Records: foot.Events},
		})
	}
	return w
}

// appendView appends what a decoder would make of a page view.
func appendView(tb testing.TB, s *stage.Schema, c *stage.Chunk, off int64, ev *pageviews.Event) {
	c.Offsets, c.Timestamps = append(c.Offsets, off), append(c.Timestamps, ev.ArrivalUs/1000)
	texts := map[string]string{
		"event_id": ev.EventID(), "page_url": ev.PageURL, "section": ev.Section, "visitor_id": ev.VisitorID(), "country": ev.Country,
		"lang": ev.Lang, "device_type": ev.Device, "os": ev.OS, "browser": ev.Browser, "referrer": ev.Referrer,
	}
	for i, f := range s.Fields {
		col := &c.Columns[i]
		switch f.Name {
		case "ts":
			col.AppendInt(ev.TimeUs)
		case "latency_ms":
			col.AppendInt(ev.LatencyMs)
		case "bytes":
			col.AppendInt(ev.Bytes)
		case "is_bounce":
			bounce := int64(0)
			if ev.Bounce {
				bounce = 1
			}
			col.AppendInt(bounce)
		default:
			text, ok := texts[f.Name]
			if !ok {
				tb.Fatalf("no value for column %s", f.Name)
			}
			col.AppendBytes([]byte(text))
		}
	}
}

func BenchmarkBuild(b *testing.B) {
	for _, measures := range []string{"[count, sum(bytes), max(latency_ms)]", "[count, sum(bytes), avg(latency_ms)]"} {
		w := stagePageviews(b, 1_000_000, measures)
		for _, threads := range []int{1, 2} {
			b.Run(measures+"/threads="+strconv.Itoa(threads), func(b *testing.B) {
				for b.Loop() {
					e, err := New(Options{Store: w.store, Dir: b.TempDir(), Memory: 4 << 30, Threads: threads})
					must(b, err)
					in := w.input(w.all(), 1)
					began := time.Now()
					in.Step = func(name, _ string) func(int64, int64) {
						b.Logf("%v %s", time.Since(began), name)
						return func(int64, int64) {}
					}
					w.build(b.Context(), e, in)
					b.Logf("%v end", time.Since(began))
				}
			})
		}
	}
}
