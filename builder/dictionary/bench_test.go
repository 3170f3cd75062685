package dictionary_test

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"testing"

	"github.com/tidemarkdb/tidemark/builder/dictionary"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
)

// blocksOf makes n values in blocks, with a stride so that every block reaches over all of them.
func blocksOf(n, block, salt int) (out []*stage.Column) {
	for from := 0; from < n; from += block {
		values := make([]string, 0, block)
		for i := from; i < min(from+block, n); i++ {
			var b [8]byte
			binary.BigEndian.PutUint64(b[:], uint64(i+salt)*0x9e3779b97f4a7c15)
			values = append(values, hex.EncodeToString(b[:]))
		}
		slices.Sort(values)
		c := &stage.Column{Kind: stage.Bytes}
		for _, v := range values {
			c.AppendBytes([]byte(v))
		}
		out = append(out, c)
	}
	return out
}

// BenchmarkResolve gathers values in blocks, appends them, and asks for the ids of every block, on an empty dictionary and on
// one that has half of them. 10 million values in 64 MiB: -bench Resolve/10000000 -benchtime 1x.
func BenchmarkResolve(b *testing.B) {
	for _, n := range []int{100_000, 10_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			st, err := blob.NewDir(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			first, second := blocksOf(n, 1<<19, 0), blocksOf(n, 1<<19, n/2)
			for b.Loop() {
				d := open(b, dictionary.Options{Store: st, Catalog: new(memCatalog), Dir: b.TempDir()})
				for _, blocks := range [][]*stage.Column{first, second} {
					resolve(b, d, blocks)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(2*n), "ns/value")
		})
	}
}

func resolve(b *testing.B, d *dictionary.Dictionaries, blocks []*stage.Column) {
	g := d.Gather("t1", "name")
	defer g.Close()
	for _, c := range blocks {
		if _, err := g.Add(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
	ids, err := g.Resolve(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	for i := range blocks {
		if _, err := ids.Of(b.Context(), i); err != nil {
			b.Fatal(err)
		}
	}
}
