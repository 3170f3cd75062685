package query_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidemarkdb/tidemark/builder/cuboid/hbase"
	"github.com/tidemarkdb/tidemark/internal/testkit"
	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// randomWorld has partitions, files, segments, versions of cubes and tails as a seed has it. tables is where cuboids are; nil: in files.
func randomWorld(t testing.TB, seed uint64, tables *hbase.Store) *oracle {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 2))
	var sizes []int
	for range 1 + rng.IntN(3) {
		sizes = append(sizes, 20+rng.IntN(400))
	}
	w := newWorld(t, seed, sizes...)
	w.tables = tables
	for _, p := range w.parts {
		w.stageSome(rng, p)
	}
	w.apply(cubeYAML, w.firsts())
	w.apply(berlinYAML, w.firsts())
	sales := w.cutSome(rng, "sales", nil)
	w.apply(moreYAML, nil)
	w.cutSome(rng, "sales", sales)
	w.cutSome(rng, "berlin", nil)
	w.apply(townsYAML, w.firsts())
	w.cutSome(rng, "towns", nil)
	return newOracle(w)
}

// stageSome stages a partition in files of random length, up to somewhere; the tail begins at some file, or behind the last.
func (w *world) stageSome(rng *rand.Rand, p *part) {
	ends := []int64{0}
	size := int64(len(p.records))
	for rng.IntN(5) > 0 && ends[len(ends)-1] < size {
		from := ends[len(ends)-1]
		n := 1 + rng.Int64N(size-from)
		w.stage(p, n)
		ends = append(ends, from+n)
	}
	at := len(ends) - 1 - rng.IntN(min(2, len(ends)))
	from, cuts := ends[at], append([]int64{}, ends[at+1:]...)
	if last := ends[len(ends)-1]; from == size && last == size {
		return
	} else if last < size-1 && rng.IntN(2) == 0 {
		cuts = append(cuts, last+1+rng.Int64N(size-last-1))
	}
	if n := len(cuts); n > 0 && cuts[n-1] == size {
		cuts = cuts[:n-1]
	}
	w.remember(p, from, 1+rng.IntN(100), cuts...)
}

// cutSome builds segments behind those before, refreshes some of the newest and merges neighbours. It returns what is ready and may
// be refreshed.
func (w *world) cutSome(rng *rand.Rand, name string, older []piece) (ready []piece) {
	from := make([]int64, len(w.parts))
	for _, o := range older {
		for i, r := range o.v {
			from[i] = r.End - w.parts[i].first
		}
	}
	for _, o := range older {
		if rng.IntN(2) == 0 {
			w.build(name, o.v, false, o.number)
		}
	}
	for range rng.IntN(4) {
		var v segmenter.Vector
		some := false
		for i, p := range w.parts {
			to := from[i]
			if left := p.committed - p.first - to; left > 0 {
				to += rng.Int64N(left + 1)
			}
			some = some || to > from[i]
			v, from[i] = append(v, p.line(from[i], to)), to
		}
		if some {
			ready = append(ready, piece{w.build(name, v, false), v})
		}
	}
	for i := 0; i+1 < len(ready); i++ {
		if v, err := ready[i].v.Join(ready[i+1].v); err == nil && rng.IntN(3) == 0 {
			ready[i] = piece{w.build(name, v, true, ready[i].number, ready[i+1].number), v}
			ready = append(ready[:i+1], ready[i+2:]...)
		}
	}
	return ready
}

// piece is a ready segment.
type piece struct {
	number int64
	v      segmenter.Vector
}

func randomStatements(t *testing.T, tables *hbase.Store) {
	first, worlds := uint64(1), testkit.Rounds(2, 60)
	if text := os.Getenv("TIDEMARK_TEST_WORLD"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		must(t, err)
		first, worlds = seed, 1
	}
	for i := range worlds {
		seed := first + uint64(i)
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			o := randomWorld(t, seed, tables)
			rapid.Check(t, func(rt *rapid.T) {
				text, ordered := grammar{t: rt}.statement()
				want, err := o.want(text)
				o.compare(rt, query.Request{SQL: text}, want, err, terms{ordered: ordered})
			})
		})
	}
}
