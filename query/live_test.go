package query_test

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tidemarkdb/tidemark/internal/testkit"
	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/query/source"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// I2: while events come in, are lost, quarantined and requeued, rolled and staged, while segments are cut, built, refreshed, merged and dropped, while
// the topic is made again, definitions change, and ingester, builder and engine restart, every answer is that of DuckDB over exactly the offsets that it says
// it covers. The acts and the statements follow from the seed; how they meet does not.
func TestAnswersWhileAllMoves(t *testing.T) {
	seed := uint64(1)
	for _, where := range []string{"SQLite", "PostgreSQL"} {
		t.Run(where, func(t *testing.T) {
			address := ""
			if where == "PostgreSQL" {
				address = testkit.Postgres(t)
			}
			for i := range uint64(testkit.Rounds(1, 10)) {
				t.Run(fmt.Sprint("seed ", seed+i), func(t *testing.T) { newLive(t, seed+i, address).run(seed + i) })
			}
		})
	}
}

// settles is how long the end may take to come: nothing that works takes as long.
const settles = 2 * time.Minute

func (l *live) run(seed uint64) {
	l.read(20 * time.Second)
	l.build()
	const askers = 3
	stop := make(chan struct{})
	var asking sync.WaitGroup
	ended := sync.OnceFunc(func() {
		close(stop)
		asking.Wait()
	})
	defer ended() // also if an act fails
	asked := make([]int, askers)
	for n := range askers {
		asking.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					asked[n] = i
					return
				default:
					l.ask(int(seed)*1_000_000 + n*100_000 + i)
				}
			}
		})
	}
	for i, rounds := 0, testkit.Rounds(150, 2500); i < rounds && !l.t.Failed(); i++ {
		switch i {
		case rounds / 3:
			l.lose()
		case rounds * 2 / 3:
			l.makeAgain()
		default:
			l.act()
		}
	}
	ended()
	l.t.Logf("%d statements, %d records, %d segments of cube sales", asked, l.truth.counts, l.segments())
	if !l.t.Failed() {
		l.settle(int(seed))
	}
}

// segments is how many there have been of a cube.
func (l *live) segments() (n int64) {
	info, err := l.cat.Cube(l.ctx, "default", "sales")
	must(l.t, err)
	for s, err := range l.cat.Segments(l.ctx, catalog.SegmentQuery{CubeID: info.Cube.ID}) {
		must(l.t, err)
		n = max(n, s.Number)
	}
	if n < 5 {
		l.t.Errorf("%d segments of cube sales: nothing was tested", n)
	}
	return n
}

// also leaves out the events that may be read or not, as nobody knows when they are requeued.
const also = "country IS DISTINCT FROM 'zz'"

// named finds the tables of a statement.
var named = regexp.MustCompile(`(?i)\b(?:from|join) (shop|sales|berlin)\b`)

// drawn is a statement of one table.
func drawn(also string, seed int) (text, table string, ordered bool) {
	for try := 0; ; try++ {
		s := rapid.Custom(func(t *rapid.T) (s struct {
			text    string
			ordered bool
		},
		) {
			s.text, s.ordered = grammar{t: t, also: also}.statement()
			return s
		}).Example(seed + try*10_000_000)
		names := map[string]bool{}
		for _, m := range named.FindAllStringSubmatch(s.text, -1) {
			names[m[1]] = true
		}
		if len(names) == 1 {
			for name := range names {
				return s.text, name, s.ordered
			}
		}
	}
}

// ask compares one answer with the truth.
func (l *live) ask(seed int) {
	switch seed % 6 {
	case 0:
		l.askCount()
		return
	case 1:
		l.askLate()
		return
	}
	text, table, ordered := drawn(also, seed)
	l.compare(text, table, ordered)
}

func (l *live) compare(text, table string, ordered bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	got, err := l.answer(text)
	l.truth.mu.Lock()
	defer l.truth.mu.Unlock()
	var covered []source.Covered
	if err == nil {
		covered = l.covered(text, got)
	} else {
		covered = l.everything() // what is wrong with it must be wrong with all that was sent
	}
	l.truth.cover(table, covered)
	want, wrong := l.truth.want(text)
	switch {
	case err != nil && wrong != nil:
	case err != nil || wrong != nil:
		l.t.Errorf("%s\ngot %v, want %v; covered %v", text, err, wrong, covered)
	default:
		if d := differ(want, got, terms{ordered: ordered}); d != "" {
			l.t.Errorf("%s\nby %s, covered %v: %s", text, got.by, covered, d)
		}
	}
}

// answer asks the engine, which the caller keeps open.
func (l *live) answer(text string) (result, error) {
	return l.truth.got(l.e, query.Request{SQL: text})
}

// covered is what an answer says of the table that it is of.
func (l *live) covered(text string, r result) (out []source.Covered) {
	if len(r.tables) != 1 {
		l.t.Errorf("%s\nthe answer is of %d tables, want 1", text, len(r.tables))
		return nil
	}
	c := r.tables[0].Completeness
	if c.Partial() {
		l.t.Errorf("%s\nholes: %v", text, c.Holes)
	}
	for _, o := range c.Offsets {
		if o.Committed > o.End || o.Start > o.End {
			l.t.Errorf("%s\ncovered: %+v", text, o)
		}
	}
	return c.Offsets
}

// cover makes the views those of offsets.
func (x *truth) cover(table string, offsets []source.Covered) {
	x.flush()
	where := []string{"false"}
	for _, o := range offsets {
		where = append(where, fmt.Sprintf("_partition = %d AND _generation = %d AND _offset >= %d AND _offset < %d", o.Partition, o.Generation, o.Start, o.End))
	}
	columns := ""
	for _, c := range x.table.Columns {
		columns += c.Name + ", "
	}
	x.exec(fmt.Sprintf("CREATE OR REPLACE VIEW %s AS SELECT %s FROM shop_all WHERE %s", table, columns+strings.Join(x.grain[table], ", "), strings.Join(where, " OR ")))
}

// askCount wants the number of events that the answer says it covers.
func (l *live) askCount() {
	l.mu.RLock()
	defer l.mu.RUnlock()
	const text = "SELECT count(*) FROM shop"
	r, err := l.answer(text)
	if err != nil {
		l.t.Errorf("%s: %v", text, err)
		return
	}
	l.covered(text, r)
	if got, want := r.rows[0][0], strconv.FormatInt(r.tables[0].Completeness.Counts.Events, 10); got != want {
		l.t.Errorf("%s: %s, the answer says that it covers %s", text, got, want)
	}
}

// askLate wants no event twice that may be requeued, and none that was not sent.
func (l *live) askLate() {
	l.mu.RLock()
	defer l.mu.RUnlock()
	const text = "SELECT page, count(*) FROM shop WHERE country = 'zz' GROUP BY page"
	r, err := l.answer(text)
	if err != nil {
		l.t.Errorf("%s: %v", text, err)
		return
	}
	covered := l.covered(text, r)
	l.truth.mu.Lock()
	defer l.truth.mu.Unlock()
	l.truth.cover("shop", covered)
	want, err := l.truth.want(text)
	must(l.t, err)
	for _, row := range r.rows {
		if !slices.ContainsFunc(want.rows, func(w []string) bool { return slices.Equal(w, row) }) {
			l.t.Errorf("%s: row %s, want one of %d events", text, line(row), len(want.rows))
		}
	}
}

// settle waits until all is read, requeued and refreshed; then nothing is left out.
func (l *live) settle(seed int) {
	l.define(kindYAML)
	ctx, cancel := context.WithTimeout(context.Background(), settles)
	defer cancel()
	pause := time.NewTicker(100 * time.Millisecond)
	defer pause.Stop()
	const text = "SELECT count(*), count(*) FILTER (WHERE country = 'zz') FROM shop"
	l.truth.mu.Lock()
	l.truth.cover("shop", l.everything())
	want, err := l.truth.want(text)
	l.truth.mu.Unlock()
	must(l.t, err)
	for {
		l.requeue()
		got, err := l.answer(text)
		must(l.t, err)
		if slices.Equal(got.rows[0], want.rows[0]) {
			break
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			l.t.Fatalf("%s: %s after %s, want %s", text, line(got.rows[0]), settles, line(want.rows[0]))
		}
	}
	for i := range 60 {
		text, table, ordered := drawn("", seed*1000+i)
		l.compare(text, table, ordered)
	}
	lost, last := int64(0), int32(0)
	for p := range int32(l.parts) {
		i := l.partition(p)
		lost, last = lost+i.Stats.Lost, max(last, i.Generation)
	}
	if lost == 0 || last == 0 {
		l.t.Errorf("%d offsets are lost, and generation %d is the last: want some lost and a second generation", lost, last)
	}
}

// everything is what was sent and can be read.
func (l *live) everything() (out []source.Covered) {
	for p := range int32(l.parts) {
		for g := range l.truth.generations[p] + 1 {
			c := source.Covered{}
			c.Partition, c.Generation, c.End = p, g, math.MaxInt64
			out = append(out, c)
		}
	}
	return out
}
