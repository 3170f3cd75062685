package decode

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// pageViews is the table of 14 columns over the events of pageView.
func pageViews() *cube.Table {
	t := &cube.Table{Name: "pageviews", Topic: "pageviews", EventTime: cube.EventTime{Column: "ts"}}
	add := func(name, path string, k cube.Kind) {
		t.Columns = append(t.Columns, cube.Column{Name: name, Path: path, Type: cube.Type{Kind: k}})
	}
	add("ts", "ts", cube.Timestamp)
	add("event_id", "event_id", cube.String)
	add("url", "page.url", cube.String)
	add("section", "page.section", cube.String)
	add("title", "page.title", cube.String)
	add("visitor", "visitor.id", cube.String)
	add("country", "visitor.country", cube.String)
	add("device", "device.type", cube.String)
	add("os", "device.os", cube.String)
	add("browser", "device.browser", cube.String)
	add("latency_ms", "latency_ms", cube.Int64)
	add("bytes", "bytes", cube.Int64)
	add("is_bounce", "is_bounce", cube.Bool)
	add("score", "score", cube.Float64)
	return t
}

// pageView returns an event of about 385 bytes, or 1,240 if wide.
func pageView(r *rand.Rand, wide bool) []byte {
	var b bytes.Buffer
	at := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC).Add(time.Duration(r.IntN(86400_000)) * time.Millisecond)
	u := r.IntN(20000)
	title := fmt.Sprintf("Page %d of the site", u)
	if u%20 == 7 {
		title = fmt.Sprintf(`Caf\u00e9 \"%d\" – news\/live`, u)
	}
	pick := func(s ...string) string { return s[r.IntN(len(s))] }
	fmt.Fprintf(&b, `{"ts":"%s","event_id":"%08x-%04x-4%03x-%012x","page":{"url":"/p/%d","section":"%s","title":"%s"},"visitor":{"id":"u%06d","country":"%s","lang":"%s"},`,
		at.Format("2006-01-02T15:04:05.000Z"), r.Uint32(), r.IntN(65536), r.IntN(4096), r.Int64()&0xffffffffffff, u,
		pick("news", "sport", "tech", "home", "politics", "weather"), title, r.IntN(200000), pick("DE", "FR", "US", "JP"), pick("de", "fr", "en"))
	if wide {
		fmt.Fprintf(&b, `"ctx":{"ua":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.%d.0 Safari/537.36","screen":{"w":1920,"h":1080,"dpr":2.0},"ab":[{"k":"exp-%d","v":"b"},{"k":"exp-%d","v":"control"},{"k":"layout","v":"\u00e4 \"x\""}],"consent":{"ads":true,"stats":false,"tcf":"CPz%d.AAAABAENAXEABAAAAAAAAAAAAAAAAAAA"},"geo":[52.52%d,13.40%d]},"headers":{"accept":"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8","accept-language":"de-DE,de;q=0.9,en;q=0.8","cache-control":"max-age=0","x-req":"%016x"},"timing":{"dns":%d,"tcp":%d,"tls":%d,"ttfb":%d,"dom":%d,"load":%d,"marks":[1.5,22.25,%d,null,%d.5]},"cookies":["sid=%08x","theme=dark","seen=1|2|3|4|5"],`,
			r.IntN(9999), r.IntN(50), r.IntN(50), r.IntN(1<<30), r.IntN(999), r.IntN(999), r.Uint64(), r.IntN(40), r.IntN(60), r.IntN(90), r.IntN(300), r.IntN(2000), r.IntN(5000), r.IntN(900), r.IntN(900), r.Uint32())
	}
	fmt.Fprintf(&b, `"device":{"type":"%s","os":"%s","browser":"%s"},"referrer":{"domain":"ref%d.example.com","campaign":"c%d"},"latency_ms":%d,"bytes":%d,"is_bounce":%v,"score":%.3f`,
		pick("mobile", "desktop", "tablet", "tv"), pick("iOS", "Android", "Windows", "macOS", "Linux"), pick("Safari", "Chrome", "Firefox", "Samsung Internet"),
		r.IntN(1000), r.IntN(200), 20+int(r.ExpFloat64()*120), 500+int(r.ExpFloat64()*40000), r.IntN(3) == 0, r.Float64())
	if wide {
		fmt.Fprintf(&b, `,"debug":{"srv":"edge-%02d.fra.example.net","build":"2026.11.%d-%07x","flags":["a","b","c","d"],"nested":{"a":{"b":{"c":[1,2,3,{"d":"e"}]}}}}`, r.IntN(40), r.IntN(30), r.IntN(1<<28))
	}
	b.WriteByte('}')
	return b.Bytes()
}

func pageViewEvents(n int, wide bool) [][]byte {
	r := rand.New(rand.NewPCG(42, 1))
	out := make([][]byte, n)
	for i := range out {
		out[i] = pageView(r, wide)
	}
	return out
}

func newDecoder(tb testing.TB, t *cube.Table) (*Decoder, *stage.Schema) {
	tb.Helper()
	s := stage.NewSchema(t)
	d, err := New(t, s)
	if err != nil {
		tb.Fatal(err)
	}
	return d, s
}

func benchmarkDecode(b *testing.B, wide bool, t *cube.Table) {
	d, s := newDecoder(b, t)
	events := pageViewEvents(4096, wide)
	c := stage.NewChunk(s)
	var size int64
	for _, e := range events {
		if bad := d.Append(c, Record{TimestampMs: -1, Value: e}); bad != nil {
			b.Fatal(bad)
		}
		size += int64(len(e))
	}
	b.SetBytes(size / int64(len(events)))
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if i&4095 == 0 {
			c.Reset()
		}
		if bad := d.Append(c, Record{TimestampMs: -1, Value: events[i&4095]}); bad != nil {
			b.Fatal(bad)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/event")
}

func BenchmarkDecode(b *testing.B)     { benchmarkDecode(b, false, pageViews()) }
func BenchmarkDecodeWide(b *testing.B) { benchmarkDecode(b, true, pageViews()) }

func BenchmarkDecodeExtra(b *testing.B) {
	t := pageViews()
	t.Include.Extra = true
	benchmarkDecode(b, false, t)
}
