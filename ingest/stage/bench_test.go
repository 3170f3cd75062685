package stage

import (
	"bytes"
	"fmt"
	"io"
	"math/rand"
	"syscall"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// pageViews returns chunks of page views: 14 columns, distributed as those of the measurements that the parts were
// chosen by (zipf cardinalities, a unique id).
func pageViews(rows int) (*Schema, []*Chunk, Footer) {
	tab := &cube.Table{ID: "pageviews", Version: 1, EventTime: cube.EventTime{Column: "ts"}}
	for _, c := range []struct {
		name string
		kind cube.Kind
	}{
		{"ts", cube.Timestamp},
		{"event_id", cube.String},
		{"url", cube.String},
		{"section", cube.String},
		{"title", cube.String},
		{"user", cube.String},
		{"country", cube.String},
		{"os", cube.String},
		{"referrer", cube.String},
		{"campaign", cube.String},
		{"latency_ms", cube.Int64},
		{"bytes", cube.Int64},
		{"score", cube.Float64},
		{"bounce", cube.Bool},
	} {
		tab.Columns = append(tab.Columns, cube.Column{Name: c.name, Type: cube.Type{Kind: c.kind}})
	}
	s := NewSchema(tab)
	r := rand.New(rand.NewSource(42))
	zipf := func(exp float64, n int) func() uint64 { return rand.NewZipf(r, exp, 4, uint64(n-1)).Uint64 }
	url, user, camp, ref := zipf(1.2, 20000), zipf(1.1, 200000), zipf(1.2, 200), zipf(1.3, 1000)
	sec, ctry, osz := zipf(1.3, 12), zipf(1.3, 60), zipf(1.4, 8)
	start := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	var chunks []*Chunk
	var c *Chunk
	for i := range rows {
		if i%ChunkRows == 0 {
			c = NewChunk(s)
			chunks = append(chunks, c)
		}
		ts := start.Add(time.Duration(i)*3600*time.Microsecond + time.Duration(r.Intn(5000))*time.Millisecond).UnixMilli()
		c.Offsets, c.Timestamps = append(c.Offsets, int64(i)), append(c.Timestamps, ts+int64(r.Intn(100)))
		c.Columns[0].AppendInt(ts * 1000)
		u, country := url(), ctry()
		for at, v := range []string{
			fmt.Sprintf("%08x-%04x-4%03x-%012x", r.Uint32(), r.Intn(65536), r.Intn(4096), r.Int63()&0xffffffffffff),
			fmt.Sprintf("/p/%d", u), fmt.Sprintf("section%d", sec()), fmt.Sprintf("Page %d of the site", u),
			fmt.Sprintf("u%06d", user()), string([]byte{'A' + byte(country%26), 'A' + byte((country*7+3)%26)}),
			fmt.Sprintf("os%d", osz()), fmt.Sprintf("ref%d.example.com", ref()), fmt.Sprintf("c%d", camp()),
		} {
			c.Columns[1+at].AppendBytes([]byte(v))
		}
		c.Columns[10].AppendInt(20 + int64(r.ExpFloat64()*120))
		c.Columns[11].AppendInt(500 + int64(r.ExpFloat64()*40000))
		c.Columns[12].AppendFloat(float64(r.Intn(1000)) / 1000)
		c.Columns[13].AppendInt(int64(r.Intn(3) / 2))
	}
	return s, chunks, Footer{TableID: "pageviews", Schema: 1, Events: int64(rows), Range: segmenter.PartitionRange{End: int64(rows)}}
}

const benchRows = 262144

// perRow runs f and reports its CPU time a row: the wall clock of a shared machine says little.
func perRow(b *testing.B, f func()) {
	b.ReportAllocs()
	f() // fill the pools
	start := cpuTime(b)
	for b.Loop() {
		f()
	}
	b.ReportMetric(float64(cpuTime(b)-start)/float64(b.N)/benchRows, "cpu-ns/row")
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkEncode(b *testing.B) {
	s, chunks, foot := pageViews(benchRows)
	for _, f := range []cube.Format{cube.Parquet, cube.NDJSON} {
		b.Run(string(f), func(b *testing.B) {
			o := EncodeOptions{Buffers: new(Buffers)}
			var size int64
			perRow(b, func() {
				e, err := Encode(io.Discard, s, f, foot, chunks, o)
				if err != nil {
					b.Fatal(err)
				}
				size = e.Size
			})
			b.ReportMetric(float64(size)/benchRows, "bytes/row")
		})
	}
}

func BenchmarkHash(b *testing.B) {
	_, chunks, _ := pageViews(benchRows)
	perRow(b, func() {
		for _, c := range chunks {
			HashChunk(c)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	s, chunks, foot := pageViews(benchRows)
	for _, f := range []cube.Format{cube.Parquet, cube.NDJSON} {
		var buf bytes.Buffer
		if _, err := Encode(&buf, s, f, foot, chunks, EncodeOptions{}); err != nil {
			b.Fatal(err)
		}
		st, key := new(blob.Mem), StagedKey("pageviews", foot.Range, 0, 1, f)
		putBytes(b, st, key, buf.Bytes())
		for name, fields := range map[string][]int{"all": nil, "three": {2, 10, 12}} {
			b.Run(string(f)+"/"+name, func(b *testing.B) {
				perRow(b, func() {
					r, err := Open(b.Context(), st, key, int64(buf.Len()))
					if err != nil {
						b.Fatal(err)
					}
					for g := range r.Groups() {
						if _, err := r.Read(b.Context(), g, fields); err != nil {
							b.Fatal(err)
						}
					}
				})
			})
		}
	}
}
