//go:build !race

// One statement at a time: the race detector sees more in those that run at once.

package query_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tidemarkdb/tidemark/ingest/decode"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/testkit"
	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/query/duck"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// past is a world with the moments of its history. Events are never taken away again.
type past struct {
	*world
	rng     *rand.Rand
	since   map[[2]int64]int // of a partition and an offset that is an event: the moment from which on it is committed
	lost    []catalog.Commit // lost rows that were not read again
	ready   map[string][]piece
	moments []moment
	live    *query.Engine
	text    *duck.DB
}

// moment is one that is asked for again later.
type moment struct {
	version int64
	at      time.Time
	ends    map[int32]int64
	answers []result // to pastStatements, when it was the present
}

// pastStatements have exact answers, the same text in any order of adding.
var pastStatements = []string{
	"SELECT count(*), sum(bytes), count(DISTINCT visitor) FROM shop",
	"SELECT country, count(*), min(bytes), sum(price) FROM shop GROUP BY 1 ORDER BY 1",
	"SELECT date_trunc('day', ts) d, device, count(bytes), max(price) FROM shop WHERE ok GROUP BY 1, 2 ORDER BY 1, 2",
	"SELECT _offset, bytes, page FROM shop WHERE status > 300 ORDER BY ALL",
	"SELECT ts_hour, count(*) FROM sales GROUP BY 1 ORDER BY 1",
}

// commitMore stages some offsets of a partition, or commits them as lost.
func (h *past) commitMore() {
	p := h.parts[h.rng.IntN(len(h.parts))]
	left := p.end() - p.committed
	if left == 0 {
		return
	}
	from, n := p.committed, 1+h.rng.Int64N(min(left, 60))
	if h.rng.IntN(4) > 0 {
		h.stage(p, n)
		h.seen(p, from, from+n)
		return
	}
	r := segmenter.PartitionRange{Partition: p.n, Start: from, End: from + n}
	m := catalog.Commit{
		TableID: h.table.ID, Epoch: p.epoch, Row: segmenter.LedgerRow{Range: r, State: segmenter.Lost, Reason: "test"},
		LedgerFile: &catalog.File{Key: fmt.Sprintf("%s.e%d", stage.LedgerKey(h.table.ID, r, segmenter.Lost), p.epoch), Size: 1},
	}
	must(h.t, h.cat.Commit(context.Background(), m))
	h.lost = append(h.lost, m)
	p.committed = r.End
}

// seen notes the events among offsets that are committed now.
func (h *past) seen(p *part, from, to int64) {
	for o := from; o < to; o++ {
		key := [2]int64{int64(p.n), o}
		if _, ok := h.since[key]; !ok && h.readable(p.records[o-p.first]) {
			h.since[key] = len(h.moments)
		}
	}
}

func (h *past) readable(r record) bool {
	return r.value != nil && h.dec.Append(stage.NewChunk(h.schema), decode.Record{TimestampMs: r.timestampMs, Value: r.value}) == nil
}

// reread puts staged rows in the place of a lost one.
func (h *past) reread() {
	if len(h.lost) == 0 {
		return
	}
	i := h.rng.IntN(len(h.lost))
	r := h.lost[i].Row.Range
	h.lost = slices.Delete(h.lost, i, i+1)
	p := h.parts[r.Partition]
	p.epoch++
	m := h.file(p, r)
	epoch, err := h.cat.Replace(context.Background(), catalog.Replace{TableID: h.table.ID, Epoch: p.epoch - 1, Old: r, Rows: []catalog.Commit{m}})
	must(h.t, err)
	p.epoch = epoch
	h.seen(p, r.Start, r.End)
}

// requeue makes events of some quarantined offsets of a partition.
func (h *past) requeue() {
	ctx := context.Background()
	p := h.parts[h.rng.IntN(len(h.parts))]
	c := stage.NewChunk(h.schema)
	skip := h.rng.IntN(5)
	for e, err := range h.cat.Ledger(ctx, catalog.LedgerQuery{TableID: h.table.ID, Partition: p.n}) {
		must(h.t, err)
		for _, o := range e.Exceptions.Offsets(segmenter.Quarantined) {
			if skip--; skip >= 0 || c.Rows() > 8 {
				continue
			}
			rec := &p.records[o-p.first]
			for *rec = h.events.record(int(o - p.first)); !h.readable(*rec); {
				*rec = h.events.record(int(o - p.first))
			}
			if bad := h.dec.Append(c, decode.Record{Offset: o, TimestampMs: rec.timestampMs, Value: rec.value}); bad != nil {
				h.t.Fatal(bad)
			}
		}
	}
	if c.Rows() == 0 {
		return
	}
	n, err := h.cat.NextRequeue(ctx, h.table.ID)
	must(h.t, err)
	r := segmenter.PartitionRange{Partition: p.n, Start: c.Offsets[0], End: c.Offsets[c.Rows()-1] + 1}
	foot := stage.Footer{TableID: h.table.ID, Table: h.table.Name, Schema: h.table.Version, Range: r, Requeue: n, Events: int64(c.Rows())}
	var buf bytes.Buffer
	enc, err := stage.Encode(&buf, h.schema, cube.Parquet, foot, []*stage.Chunk{c}, stage.EncodeOptions{})
	must(h.t, err)
	s := catalog.Supplement{
		TableID: h.table.ID, Requeue: n, Range: r, Offsets: c.Offsets, MinTimeUs: enc.MinTimeUs, MaxTimeUs: enc.MaxTimeUs,
		File: &catalog.File{Key: stage.SupplementKey(h.table.ID, r, n, cube.Parquet), Size: enc.Size, SHA256: enc.SHA256, Format: cube.Parquet, Schema: h.table.Version, Records: int64(c.Rows())},
	}
	must(h.t, h.store.Create(ctx, s.File.Key, &buf))
	must(h.t, h.cat.CommitSupplement(ctx, s))
	for _, o := range c.Offsets {
		h.since[[2]int64{int64(p.n), o}] = len(h.moments)
	}
}

// rebuild builds the next segment of a cube, refreshes one, or merges two that are neighbours.
func (h *past) rebuild(name string) {
	list := h.ready[name]
	switch n := h.rng.IntN(4); {
	case n == 0 && len(list) > 0:
		i := h.rng.IntN(len(list))
		list[i].number = h.build(name, list[i].v, false, list[i].number)
	case n == 1 && len(list) > 1:
		i := h.rng.IntN(len(list) - 1)
		v, err := list[i].v.Join(list[i+1].v)
		if err != nil || h.versionOf(name, list[i]) != h.versionOf(name, list[i+1]) {
			return
		}
		list[i] = piece{h.build(name, v, true, list[i].number, list[i+1].number), v}
		h.ready[name] = slices.Delete(list, i+1, i+2)
	case n > 1:
		var v segmenter.Vector
		for i, p := range h.parts {
			from := int64(0)
			if len(list) > 0 {
				from = list[len(list)-1].v[i].End - p.first
			}
			v = append(v, p.line(from, from+h.rng.Int64N(p.committed-p.first-from+1)))
		}
		if !v.Empty() {
			h.ready[name] = append(list, piece{h.build(name, v, false), v})
		}
	}
}

func (h *past) versionOf(name string, p piece) int {
	s, err := h.cat.Segment(context.Background(), h.cubes[name].ID, p.number)
	must(h.t, err)
	return s.Version
}

// remember asks for the present as of now, and keeps it as a moment.
func (h *past) remember() {
	m := moment{at: time.Now(), ends: map[int32]int64{}}
	for _, p := range h.parts {
		m.ends[p.n] = p.committed
	}
	o := &oracle{world: h.world, text: h.text}
	for _, text := range pastStatements {
		req := query.Request{SQL: text, AsOf: &catalog.AsOf{Time: m.at}}
		a, err := h.live.Query(context.Background(), req)
		must(h.t, err)
		m.version = a.Tables[0].Completeness.AsOf.Version
		must(h.t, a.Close())
		r, err := o.got(h.live, req)
		must(h.t, err)
		m.answers = append(m.answers, r)
	}
	h.moments = append(h.moments, m)
}

func newPast(t testing.TB, seed uint64) *past {
	rng := rand.New(rand.NewPCG(seed, 7))
	h := &past{world: newWorld(t, seed, 100+rng.IntN(300), 100+rng.IntN(100)), rng: rng, since: map[[2]int64]int{}, ready: map[string][]piece{}}
	for _, p := range h.parts {
		h.world.remember(p, 0, 64)
	}
	h.apply(cubeYAML, h.firsts())
	h.apply(berlinYAML, h.firsts())
	h.live = h.engine(h.cat, h.store, 2)
	var err error
	h.text, err = newText(t)
	must(t, err)
	for i := range 40 {
		switch n := rng.IntN(12); {
		case n < 5:
			h.commitMore()
		case n < 6:
			h.reread()
		case n < 7:
			h.requeue()
		case n < 10:
			h.rebuild([]string{"sales", "sales", "berlin"}[rng.IntN(3)])
		default:
			h.remember()
		}
		if i == 25 {
			h.apply(moreYAML, nil)
		}
	}
	h.remember()
	for range 5 {
		h.rebuild("sales")
	}
	return h
}

// oracle holds what was committed at any time; at shows what was at one moment.
func (h *past) oracle() *oracle {
	must(h.t, h.live.Close())
	o := newOracle(h.world)
	o.exec("ALTER TABLE shop_all RENAME TO shop_ever")
	o.exec("CREATE TABLE since (_partition INTEGER, _offset BIGINT, since INTEGER)")
	var rows []string
	for key, k := range h.since {
		rows = append(rows, fmt.Sprintf("(%d, %d, %d)", key[0], key[1], k))
	}
	if len(rows) > 0 {
		o.exec("INSERT INTO since VALUES " + strings.Join(rows, ", "))
	}
	return o
}

// at shows the oracle what was committed at a moment, or of now what lies before its offsets.
func (h *past) at(o *oracle, k int, offsets bool) {
	where := fmt.Sprintf("since <= %d", k)
	if offsets {
		var parts []string
		for p, end := range h.moments[k].ends {
			parts = append(parts, fmt.Sprintf("_partition = %d AND _offset < %d", p, end))
		}
		where = strings.Join(parts, " OR ")
	}
	o.exec("CREATE OR REPLACE VIEW shop_all AS SELECT e.* FROM shop_ever e JOIN since USING (_partition, _offset) WHERE " + where)
}

// asOf is moment k in one of its three forms.
func (h *past) asOf(k, form int) *catalog.AsOf {
	m := h.moments[k]
	switch form {
	case 0:
		return &catalog.AsOf{Time: m.at}
	case 1:
		return &catalog.AsOf{Version: m.version}
	}
	a := &catalog.AsOf{}
	for p, end := range m.ends {
		a.Offsets = append(a.Offsets, catalog.AsOfOffset{Partition: p, Generation: -1, Offset: end})
	}
	return a
}

// C15: what was committed at a moment has the same answer ever after, whatever was read, requeued, built, refreshed and merged since,
// and whoever answers: by time and version all that was committed then, by offsets with what was requeued since. Where nothing is
// added in another order it is the same to the bit.
func TestAsOf(t *testing.T) {
	for seed := range uint64(testkit.Rounds(2, 40)) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			h := newPast(t, seed)
			o := h.oracle()
			for k := range h.moments {
				for i, text := range pastStatements {
					for form := range 2 {
						got, err := o.got(o.native, query.Request{SQL: text, AsOf: h.asOf(k, form)})
						if want := h.moments[k].answers[i]; err != nil || !slices.EqualFunc(want.rows, got.rows, slices.Equal[[]string]) {
							t.Errorf("moment %d as of %s: %s: %v%s", k, h.asOf(k, form), text, err, sample(want.rows, got.rows))
						}
					}
				}
			}
			rapid.Check(t, func(rt *rapid.T) {
				k, form := rapid.IntRange(0, len(h.moments)-1).Draw(rt, "moment"), rapid.IntRange(0, 2).Draw(rt, "form")
				text, ordered := grammar{t: rt}.statement()
				h.at(o, k, form == 2)
				want, err := o.want(text)
				must(rt, err)
				o.compare(rt, query.Request{SQL: text, AsOf: h.asOf(k, form)}, want, nil, terms{ordered: ordered})
			})
		})
	}
}

// What cannot be asked for says what can.
func TestAsOfRefused(t *testing.T) {
	w := newWorld(t, 1, 60)
	before := time.Now().Add(-time.Hour)
	w.stage(w.parts[0], 40)
	e := w.engine(w.cat, w.store, 2)
	t.Cleanup(func() { must(t, w.cat.Close()) })
	for text, want := range map[string]string{
		before.UTC().Format(time.RFC3339): "ask from ", time.Now().Add(time.Hour).UTC().Format(time.RFC3339): "that is in the future",
		"99": "there is no such version: the newest is ", "0:41": "committed up to 40", "1:3": "no partition 1", "0g1:3": "no generation 1",
	} {
		at, err := catalog.ParseAsOf(text)
		must(t, err)
		a, err := e.Query(context.Background(), query.Request{SQL: "SELECT count(*) FROM shop", AsOf: at})
		if err == nil {
			must(t, a.Close())
		}
		var refused *catalog.AsOfError
		if !errors.As(err, &refused) || !strings.Contains(refused.Reason, want) || refused.Table != "shop" {
			t.Errorf("as of %s: %v, want an error with %q", text, err, want)
		}
	}
}
