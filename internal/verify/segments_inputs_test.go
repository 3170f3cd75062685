package verify_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/blob/faultblob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/verify"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// The ledger knows the times of a whole supplement only. A part may have those, or the times of its own events, as merged
// parts do that were cut inside a row; nothing wider and nothing narrower.
func TestTimesOfASupplementOverTwoRows(t *testing.T) {
	s := newSite(t, 1, "parquet")
	s.produce(0, 50)
	s.ingest()
	s.produce(0, 50)
	s.ingest()
	id := s.applyCube()
	var row catalog.LedgerEntry
	s.with(func(cat *catalog.Catalog, st blob.Store) {
		s.supplementOverRows(cat, st)
		for e, err := range cat.Ledger(t.Context(), catalog.LedgerQuery{TableID: s.def.ID, Partition: 0, Limit: 1}) {
			must(t, err)
			row = e
		}
	})
	v := segmenter.Vector{row.Range}
	var exact int64
	s.clone(t).segment(id, build{v: v, change: func(m *segmenter.Manifest) { exact = m.Parts[0].MaxTimeUs }})
	if exact >= row.MaxTimeUs {
		t.Fatalf("the row's highest time %d is not wider than that of its events, %d: the test shows nothing", row.MaxTimeUs, exact)
	}
	for _, tt := range []struct {
		name  string
		maxUs int64
		want  verify.Kind // "": none
	}{
		{"of its events", exact, ""},
		{"of the row", row.MaxTimeUs, ""},
		{"between", exact + 1, ""},
		{"lower", exact - 1, verify.SegmentCounts},
		{"higher", row.MaxTimeUs + 1, verify.SegmentCounts},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := s.clone(t)
			c.segment(id, build{v: v, change: func(m *segmenter.Manifest) { m.Parts[0].MaxTimeUs = tt.maxUs }})
			r := c.verify()
			if tt.want == "" {
				c.clean(r)
			} else if p := c.finds(r, tt.want); p.Segment != 1 || len(r.Problems) != 1 {
				t.Errorf("got %v, want one %s of segment 1", r.Problems, tt.want)
			}
		})
	}
}

// supplementOverRows turns the first quarantined offset of each row of partition 0 into an event, with one file.
func (s *site) supplementOverRows(cat *catalog.Catalog, st blob.Store) {
	s.t.Helper()
	ctx := s.t.Context()
	var offsets []int64
	var key string
	for e, err := range cat.Ledger(ctx, catalog.LedgerQuery{TableID: s.def.ID, Partition: 0}) {
		must(s.t, err)
		offsets, key = append(offsets, e.Exceptions.Offsets(segmenter.Quarantined)[0]), e.File.Key
	}
	if len(offsets) != 2 {
		s.t.Fatalf("%d rows, want 2", len(offsets))
	}
	rd, err := stage.Open(ctx, st, key, -1)
	must(s.t, err)
	defer rd.Close()
	c, err := rd.Read(ctx, 0, nil)
	must(s.t, err)
	for i := range c.Columns {
		c.Columns[i].Flatten()
	}
	c.Truncate(2)
	times := c.Columns[rd.Schema().EventTime].Ints
	for i, off := range offsets {
		c.Offsets[i], times[i] = off, s.base.UnixMicro()+off*1_000_000
	}
	c.MinTimeUs, c.MaxTimeUs = times[0], times[1]
	n, err := cat.NextRequeue(ctx, s.def.ID)
	must(s.t, err)
	foot := rd.Footer()
	r := line(0, offsets[0], offsets[1]+1)
	foot.Range, foot.Requeue, foot.Epoch, foot.Events, foot.Exceptions = r, n, 0, 2, nil
	var buf bytes.Buffer
	enc, err := stage.Encode(&buf, rd.Schema(), cube.Parquet, foot, []*stage.Chunk{c}, stage.EncodeOptions{})
	must(s.t, err)
	f := &catalog.File{
		Key: stage.SupplementKey(s.def.ID, r, n, cube.Parquet), Size: enc.Size, SHA256: enc.SHA256, Format: cube.Parquet, Schema: foot.Schema,
		Records: 2, RowHash: enc.RowHash.String(),
	}
	must(s.t, st.Create(ctx, f.Key, &buf))
	must(s.t, cat.CommitSupplement(ctx, catalog.Supplement{
		TableID: s.def.ID, Requeue: n, Range: r, File: f, Offsets: offsets, MinTimeUs: times[0], MaxTimeUs: times[1],
	}))
}

// A row of the ledger that was replaced after the build makes a segment stale. What it counted there cannot be known any
// more; its other lines are proved.
func TestReplacedRows(t *testing.T) {
	s := fullSite(t, "parquet")
	id := s.applyCube()
	v := segmenter.Vector{line(0, 0, 20), line(1, 0, 70)}
	forged := s.clone(t)
	s.segment(id, build{v: v, cuboids: true})
	forged.segment(id, build{v: v, change: func(m *segmenter.Manifest) { m.Parts[0].MaxTimeUs++ }})
	for _, x := range []*site{s, forged} {
		x.with(func(cat *catalog.Catalog, st blob.Store) {
			var old catalog.LedgerEntry
			for e, err := range cat.Ledger(t.Context(), catalog.LedgerQuery{TableID: s.def.ID, Partition: 1}) {
				must(t, err)
				if e.State == segmenter.Lost {
					old = e
				}
			}
			row := segmenter.LedgerRow{Range: old.Range, State: segmenter.Skipped, Reason: "ann"}
			text, err := stage.LedgerRecord{Project: "default", Table: "events", TableID: s.def.ID, Topic: topicName, Epoch: old.Epoch + 1, Row: row}.Encode()
			must(t, err)
			sum := sha256.Sum256(text)
			f := &catalog.File{
				Key: stage.LedgerKey(s.def.ID, old.Range, segmenter.Skipped), Size: int64(len(text)), SHA256: hex.EncodeToString(sum[:]), Schema: 1,
			}
			must(t, st.Create(t.Context(), f.Key, bytes.NewReader(text)))
			_, err = cat.Replace(t.Context(), catalog.Replace{
				TableID: s.def.ID, Old: old.Range, Rows: []catalog.Commit{{TableID: s.def.ID, Row: row, LedgerFile: f}},
			})
			must(t, err)
		})
	}
	r := s.verify()
	s.clean(r)
	if len(r.StaleSegments) != 1 || r.StaleSegments[0].Segment != 1 {
		t.Errorf("stale segments %+v, want 1", r.StaleSegments)
	}
	if len(r.Uncounted) != 1 || r.Uncounted[0].Segment != 1 || !strings.Contains(r.Uncounted[0].Why, "ledger/") || r.Cubes[0].Recounted != 0 {
		t.Errorf("not counted again: %+v, want segment 1 for the ledger's new file", r.Uncounted)
	}
	r = forged.verify()
	if p := forged.finds(r, verify.SegmentCounts); p.Range == nil || p.Range.Partition != 0 || len(r.Problems) != 1 {
		t.Errorf("got %v, want one problem with partition 0", r.Problems)
	}
}

// One damaged file is one problem, whatever segments were built from it (V3).
func TestDamagedInputIsOneProblem(t *testing.T) {
	s, _, _ := builtSite(t, "parquet")
	for _, kind := range []struct{ prefix, word string }{{"staged/", "/00"}, {"staged/", "supplement-"}, {"ledger/", "lost"}} {
		key := s.keys(kind.prefix, kind.word)[0]
		s.damaged(t, kind.prefix+kind.word, key, verify.FileMissing, func(c *site) { must(t, os.Remove(c.path(key))) })
	}
}

// V4: a store that does not answer while segments are read ends the proof with an error.
func TestStoreFailuresInSegmentsAreErrors(t *testing.T) {
	s, _, _ := builtSite(t, "ndjson")
	s.with(func(cat *catalog.Catalog, st blob.Store) {
		for i := 0; ; i++ {
			faults := &faultblob.Store{Store: st, At: i, Err: blob.ErrUnavailable}
			rep, err := verify.Run(t.Context(), verify.Options{Catalog: cat, Store: faults, Workers: 1})
			if !faults.Fired() {
				must(t, err)
				s.clean(rep)
				break
			}
			if !errors.Is(err, blob.ErrUnavailable) || rep != nil {
				t.Fatalf("call %d failed: report %v, error %v", i, rep, err)
			}
		}
	})
}
