//go:build !race

// One call after another, thousands of them: the race detector makes it slow and sees nothing. Others call at once under it.

package catalog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// C1, C2, C4, C6, C7 and I3: whatever is asked in whatever order, the catalog says what a list in memory says, its ledger
// tiles, its counters are those of its ledger, and it names exactly the files of its ledger.
func TestPartitionAgainstModel(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		c.pageRows = 3
		n := 0
		rapid.Check(t, func(rt *rapid.T) {
			n++
			m := &model{c: c, table: applied(t, c, fmt.Sprintf("t%d", n))}
			if rapid.IntRange(0, 3).Draw(rt, "from nothing") > 0 {
				m.assign(rt)
				m.begin(rt)
			}
			rt.Repeat(map[string]func(*rapid.T){
				"":              m.check,
				"assign":        m.assign,
				"begin":         m.begin,
				"commit":        m.commit,
				"commit more":   m.commit,
				"commit again":  m.again,
				"newGeneration": m.newGeneration,
				"replace":       m.replace,
				"prepend":       m.prepend,
				"skip":          m.skip,
				"supplement":    m.supplement,
			})
			m.look(rt)
		})
	})
}

// model is the obvious catalog of one partition: a list of entries.
type model struct {
	c     *Catalog
	table string

	epoch   int64
	begun   bool
	lines   []segmenter.PartitionRange // one a generation; the last is open
	rows    []LedgerEntry              // by generation and start
	last    Commit                     // the last one that was accepted
	files   int                        // makes keys unique
	requeue int64
}

func (m *model) open() *segmenter.PartitionRange { return &m.lines[len(m.lines)-1] }

// drawRow makes a well-formed commit with a key of its own.
func (m *model) drawRow(t *rapid.T, r segmenter.PartitionRange, stagedOnly bool) Commit {
	m.files++
	state := segmenter.Staged
	if !stagedOnly {
		state = rapid.SampledFrom([]segmenter.RowState{segmenter.Staged, segmenter.Staged, segmenter.Lost, segmenter.Skipped}).Draw(t, "state")
	}
	var d Commit
	if state == segmenter.Staged {
		var bad []int64
		for o := r.Start; o < r.End; o++ {
			if rapid.IntRange(0, 2).Draw(t, "bad") == 0 {
				bad = append(bad, o)
			}
		}
		d = staged(m.table, m.epoch, r, bad...)
		d.File.Key = fmt.Sprintf("%s#%d", d.File.Key, m.files)
		if d.Quarantine != nil {
			d.Quarantine.Key = fmt.Sprintf("%s#%d", d.Quarantine.Key, m.files)
		}
	} else {
		d = gone(m.table, m.epoch, state, r)
		d.LedgerFile.Key = fmt.Sprintf("%s#%d", d.LedgerFile.Key, m.files)
	}
	return d
}

func entryOf(d Commit, epoch int64) LedgerEntry {
	return LedgerEntry{LedgerRow: d.Row, Epoch: epoch, File: d.File, Quarantine: d.Quarantine, LedgerFile: d.LedgerFile}
}

func (m *model) assign(t *rapid.T) {
	s, err := m.c.Assign(context.Background(), Claim{TableID: m.table})
	if err != nil {
		t.Fatal(err)
	}
	m.epoch++
	want := PartitionState{Epoch: m.epoch, Begun: m.begun}
	if m.begun {
		l := m.open()
		want.Generation, want.Start, want.End = l.Generation, l.Start, l.End
	}
	opt := cmpopts.IgnoreFields(PartitionState{}, "Events", "HasTime", "MaxTimeUs", "LeaderEpoch", "TopicID")
	if d := cmp.Diff(want, s, opt); d != "" {
		t.Fatalf("assign (-want +got):\n%s", d)
	}
}

func (m *model) begin(t *rapid.T) {
	if m.epoch == 0 {
		t.Skip("never assigned")
	}
	b := Begin{TableID: m.table, Epoch: m.drawEpoch(t), Start: rapid.Int64Range(10, 20).Draw(t, "start")}
	err := m.c.Begin(context.Background(), b)
	if m.wantStale(t, err, b.Epoch) {
		return
	}
	var conflict *ConflictError
	if m.begun {
		l := m.lines[0]
		same := len(m.lines) == 1 && l.Empty() && l.Start == b.Start
		if same != (err == nil) || (!same && !errors.As(err, &conflict)) {
			t.Fatalf("begin again at %d: %v", b.Start, err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	m.begun = true
	m.lines = []segmenter.PartitionRange{rng(0, b.Start, b.Start)}
}

// drawEpoch is mostly the current one.
func (m *model) drawEpoch(t *rapid.T) int64 {
	return m.epoch - rapid.SampledFrom([]int64{0, 0, 0, 0, 0, 1, -1}).Draw(t, "epochs ago")
}

// wantStale checks that a call under a wrong epoch was refused, and reports whether it was one.
func (m *model) wantStale(t *rapid.T, err error, epoch int64) bool {
	var stale *StaleEpochError
	if epoch == m.epoch {
		if errors.As(err, &stale) {
			t.Fatalf("refused under the current epoch %d: %v", epoch, err)
		}
		return false
	}
	if !errors.As(err, &stale) || stale.Current != m.epoch {
		t.Fatalf("epoch %d of %d: got %v, want StaleEpochError", epoch, m.epoch, err)
	}
	return true
}

func (m *model) wantOpen(t *rapid.T) {
	if !m.begun {
		t.Skip("not begun")
	}
}

func (m *model) commit(t *rapid.T) {
	m.wantOpen(t)
	r := *m.open()
	off := rapid.SampledFrom([]int64{0, 0, 0, 0, 0, 1, -1}).Draw(t, "off")
	r.Start = m.open().End + off
	r.End = r.Start + rapid.Int64Range(1, 8).Draw(t, "len")
	d := m.drawRow(t, r, false)
	d.Epoch = m.drawEpoch(t)
	err := m.c.Commit(context.Background(), d)
	if m.wantStale(t, err, d.Epoch) {
		return
	}
	var gap *NotContiguousError
	if off != 0 {
		if !errors.As(err, &gap) {
			t.Fatalf("commit %s at end %d: %v", r, m.open().End, err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	m.open().End = r.End
	m.rows = append(m.rows, entryOf(d, d.Epoch))
	m.last = d
}

// again repeats the last accepted commit: a success while its row stands, whatever came since (C3).
func (m *model) again(t *rapid.T) {
	if m.last.File == nil {
		t.Skip("nothing staged last")
	}
	stands := slices.ContainsFunc(m.rows, func(e LedgerEntry) bool { return e.File != nil && e.File.Key == m.last.File.Key })
	err := m.c.Commit(context.Background(), m.last)
	if stands != (err == nil) {
		t.Fatalf("commit %s again, its row stands: %t: %v", m.last.Row.Range, stands, err)
	}
}

func (m *model) newGeneration(t *rapid.T) {
	m.wantOpen(t)
	g := NewGeneration{TableID: m.table, Epoch: m.drawEpoch(t), Start: rapid.Int64Range(10, 20).Draw(t, "start"), TopicID: fmt.Sprint(len(m.lines))}
	n, err := m.c.NewGeneration(context.Background(), g)
	if m.wantStale(t, err, g.Epoch) {
		return
	}
	if err != nil || n != int32(len(m.lines)) {
		t.Fatalf("new generation: got %d, %v, want %d", n, err, len(m.lines))
	}
	m.lines = append(m.lines, rng(n, g.Start, g.Start))
}

func (m *model) skip(t *rapid.T) {
	m.wantOpen(t)
	r := *m.open()
	r.Start, r.End = r.End, r.End+rapid.Int64Range(1, 5).Draw(t, "len")
	m.files++
	d := gone(m.table, 0, segmenter.Skipped, r)
	d.LedgerFile.Key = fmt.Sprintf("%s#%d", d.LedgerFile.Key, m.files)
	epoch, by := rapid.SampledFrom([]int64{0, m.epoch}).Draw(t, "epoch"), m.epoch+1
	for range 2 { // an owner may ask again; a person's second skip starts at the wrong offset
		got, err := m.c.Skip(context.Background(), Skip{TableID: m.table, Epoch: epoch, Row: d})
		if got != by || err != nil {
			t.Fatalf("skip: got %d, %v, want epoch %d", got, err, by)
		}
		if epoch == 0 {
			break
		}
	}
	m.epoch = by
	m.open().End = r.End
	m.rows = append(m.rows, entryOf(d, by))
}

func (m *model) prepend(t *rapid.T) {
	m.wantOpen(t)
	l := &m.lines[rapid.IntRange(0, len(m.lines)-1).Draw(t, "generation")]
	if l.Start == 0 {
		t.Skip("starts at 0")
	}
	r := *l
	r.Start, r.End = rapid.Int64Range(max(0, l.Start-5), l.Start-1).Draw(t, "start"), l.Start
	d := m.drawRow(t, r, false)
	got, err := m.c.Prepend(context.Background(), Prepend{TableID: m.table, Epoch: m.epoch, Rows: []Commit{d}})
	if got != m.epoch+1 || err != nil {
		t.Fatalf("prepend: got %d, %v, want epoch %d", got, err, m.epoch+1)
	}
	m.epoch++
	l.Start = r.Start
	m.rows = append(m.rows, entryOf(d, m.epoch))
	m.sort()
}

func (m *model) sort() {
	slices.SortFunc(m.rows, func(a, b LedgerEntry) int {
		return int(int64(a.Range.Generation-b.Range.Generation)*1000 + a.Range.Start - b.Range.Start)
	})
}

// replace puts two rows, or one, in the place of one to three; now and then the old range is cut wrongly.
func (m *model) replace(t *rapid.T) {
	if len(m.rows) == 0 {
		t.Skip("no rows")
	}
	i := rapid.IntRange(0, len(m.rows)-1).Draw(t, "from")
	j := i + 1
	for j < min(i+3, len(m.rows)) && m.rows[j-1].Range.Abuts(m.rows[j].Range) && rapid.Bool().Draw(t, "more") {
		j++
	}
	old := m.rows[i].Range
	old.End = m.rows[j-1].Range.End
	wrong := rapid.IntRange(0, 5).Draw(t, "wrong") == 0 && m.rows[j-1].Range.Len() > 1 && old.Len() > 1
	if wrong {
		old.End--
	}
	mid := rapid.Int64Range(old.Start, old.End-1).Draw(t, "cut")
	var rows []Commit
	for _, r := range []segmenter.PartitionRange{rng(old.Generation, old.Start, mid), rng(old.Generation, mid, old.End)} {
		if !r.Empty() {
			rows = append(rows, m.drawRow(t, r, true))
		}
	}
	got, err := m.c.Replace(context.Background(), Replace{TableID: m.table, Epoch: m.epoch, Old: old, Rows: rows})
	if wrong {
		var gap *NotContiguousError
		if !errors.As(err, &gap) {
			t.Fatalf("replace %s, which cuts a row: %v", old, err)
		}
		return
	}
	if got != m.epoch+1 || err != nil {
		t.Fatalf("replace %s: got %d, %v, want epoch %d", old, got, err, m.epoch+1)
	}
	m.epoch++
	m.rows = slices.Delete(m.rows, i, j)
	for _, d := range rows {
		m.rows = append(m.rows, entryOf(d, m.epoch))
	}
	m.sort()
}

// supplement requeues some offsets of one generation, now and then one that is not quarantined.
func (m *model) supplement(t *rapid.T) {
	m.wantOpen(t)
	gen := rapid.Int32Range(0, int32(len(m.lines)-1)).Draw(t, "generation")
	var offsets []int64
	wrong := false
	for _, e := range m.rows {
		if e.Range.Generation != gen {
			continue
		}
		for o := e.Range.Start; o < e.Range.End; o++ {
			k, _ := e.Exceptions.At(o)
			take := rapid.IntRange(0, 99).Draw(t, "take")
			if take == 0 || (take < 40 && k == segmenter.Quarantined) {
				offsets = append(offsets, o)
				wrong = wrong || k != segmenter.Quarantined
			}
		}
	}
	if len(offsets) == 0 {
		t.Skip("nothing to requeue")
	}
	r, err := m.c.NextRequeue(context.Background(), m.table)
	if err != nil || r != m.requeue+1 {
		t.Fatalf("next requeue: got %d, %v, want %d", r, err, m.requeue+1)
	}
	m.requeue = r
	s := Supplement{
		TableID: m.table, Requeue: r, Range: rng(gen, offsets[0], offsets[len(offsets)-1]+1), Offsets: offsets, MinTimeUs: 1, MaxTimeUs: 1 << 40,
		File: &File{Key: fmt.Sprintf("supplement/%s/%d.r%d", m.table, gen, r), Size: 11, Records: int64(len(offsets))},
	}
	for range 2 { // C3
		err = m.c.CommitSupplement(context.Background(), s)
		var not *segmenter.NotExceptionError
		if wrong != errors.As(err, &not) || wrong != (err != nil) {
			t.Fatalf("supplement %v: error %v, want one: %t", offsets, err, wrong)
		}
	}
	if !wrong {
		m.requeueInModel(s)
	}
}

func (m *model) requeueInModel(s Supplement) {
	for i := range m.rows {
		e := &m.rows[i]
		var here []int64
		for _, o := range s.Offsets {
			if e.Range.Generation == s.Range.Generation && e.Range.Contains(o) {
				here = append(here, o)
			}
		}
		if len(here) == 0 {
			continue
		}
		row, err := e.Requeue(here, s.MinTimeUs, s.MaxTimeUs)
		if err != nil {
			panic(err)
		}
		e.LedgerRow = row
		part := s
		part.Offsets = here
		e.Supplements = append(slices.Clone(e.Supplements), part)
	}
}

// check compares everything that can be read, now and then: most faults stay visible for a while.
func (m *model) check(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "look") > 0 {
		return
	}
	m.look(t)
}

func (m *model) look(t *rapid.T) {
	ctx := context.Background()
	var got []LedgerEntry
	for e, err := range m.c.Ledger(ctx, LedgerQuery{TableID: m.table, Partition: -1}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
	}
	if d := cmp.Diff(m.rows, got, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("ledger (-want +got):\n%s", d)
	}
	for _, l := range m.lines {
		var rows []segmenter.LedgerRow
		for _, e := range got {
			if e.Range.Generation == l.Generation {
				rows = append(rows, e.LedgerRow)
			}
		}
		if p := segmenter.CheckLine(l, rows); len(p) > 0 {
			t.Fatalf("ledger of %s does not tile: %v", l, p)
		}
	}
	m.checkTotals(t)
	parts, err := m.c.Partitions(ctx, m.table)
	if err != nil {
		t.Fatal(err)
	}
	var lines []segmenter.PartitionRange
	for _, p := range parts {
		for _, g := range p.Generations {
			lines = append(lines, g.PartitionRange)
		}
	}
	if d := cmp.Diff(m.lines, lines, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("generations (-want +got):\n%s", d)
	}
}

func (m *model) checkTotals(t *rapid.T) {
	var want TableStats
	keys := make(map[string]bool)
	supplements := make(map[string]int64)
	for _, e := range m.rows {
		want.add(statsOf(Commit{Row: e.LedgerRow, File: e.File}), 1)
		for _, f := range []*File{e.File, e.Quarantine, e.LedgerFile} {
			if f != nil {
				keys[f.Key] = true
			}
		}
		for _, s := range e.Supplements {
			keys[s.File.Key], supplements[s.File.Key] = true, s.File.Size
		}
	}
	for _, size := range supplements {
		want.add(TableStats{Files: 1, Bytes: size}, 1)
	}
	got, err := m.c.Stats(context.Background(), m.table)
	if err != nil || got != want {
		t.Fatalf("stats: got %+v, %v, want %+v", got, err, want)
	}
	var list []string
	for key, err := range m.c.Referenced(context.Background(), m.table) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, key)
	}
	wantKeys := slices.Sorted(maps.Keys(keys))
	slices.Sort(list)
	if d := cmp.Diff(wantKeys, list, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("keys (-want +got):\n%s", d)
	}
}
