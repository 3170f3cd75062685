package catalog

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// copyAll imports into one catalog what another has of a table and a cube, as far as files would say it.
func copyAll(t *testing.T, from *Catalog, table, cubeID string) func(*Importer) error {
	t.Helper()
	ctx := context.Background()
	tables, err := from.TableVersions(ctx, table)
	if err != nil {
		t.Fatal(err)
	}
	cubes, err := from.CubeVersions(ctx, cubeID)
	if err != nil {
		t.Fatal(err)
	}
	s, err := from.CubeSnapshot(ctx, cubeID)
	if err != nil {
		t.Fatal(err)
	}
	rows := entries(t, from, LedgerQuery{TableID: table, Partition: -1})
	return func(i *Importer) error {
		errs := []error{i.Table(tables, 7)}
		for _, p := range s.Partitions {
			for _, g := range p.Generations {
				errs = append(errs, i.Line(table, g, p.Epoch))
				for _, e := range rows {
					if e.Range.SameLine(g.PartitionRange) {
						errs = append(errs, importRow(i, table, e))
					}
				}
			}
		}
		errs = append(errs, i.Cube(CubeImport{TableID: table, Versions: cubes, NextSegment: 50, NextEpoch: 60, Start: s.Start}))
		for _, e := range s.Segments {
			if e.State == segmenter.SegmentReady {
				errs = append(errs, i.Segment(e))
			}
		}
		return errors.Join(errs...)
	}
}

// importRow puts a row back as it was staged, and its supplements on top.
func importRow(i *Importer, table string, e LedgerEntry) error {
	m := Commit{TableID: table, Epoch: e.Epoch, Row: e.LedgerRow, File: e.File, Quarantine: e.Quarantine, LedgerFile: e.LedgerFile}
	for _, s := range e.Supplements {
		back, err := segmenter.ExceptionsOf(segmenter.Quarantined, s.Offsets)
		if err != nil {
			return err
		}
		if m.Row.Exceptions, err = m.Row.Exceptions.Merge(back); err != nil {
			return err
		}
		m.Row.Events -= int64(len(s.Offsets))
	}
	err := i.Commit(m)
	for _, s := range e.Supplements {
		err = errors.Join(err, i.Supplement(s))
	}
	return err
}

// What was imported reads as what it was made of, and can be gone on with.
func TestImport(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		ctx := context.Background()
		from, to := openAt(t, sqliteDSN(t)), openAt(t, dsn)
		w := newCrashWorld(t, from)
		stale(t, from, w.cube)
		epoch := int64(1)
		if _, err := from.NewGeneration(ctx, NewGeneration{TableID: w.tab, Epoch: epoch, Start: 3, TopicID: "two"}); err != nil {
			t.Fatal(err)
		}
		mustCommit(t, from, gone(w.tab, epoch, segmenter.Lost, rng(1, 3, 5)))
		if err := to.Import(ctx, copyAll(t, from, w.tab, w.cube)); err != nil {
			t.Fatal(err)
		}
		q := LedgerQuery{TableID: w.tab, Partition: -1}
		if d := cmp.Diff(entries(t, from, q), entries(t, to, q), cmpopts.EquateEmpty()); d != "" {
			t.Errorf("ledger (-want +got):\n%s", d)
		}
		want, err := from.CubeSnapshot(ctx, w.cube)
		if err != nil {
			t.Fatal(err)
		}
		got, err := to.CubeSnapshot(ctx, w.cube)
		if err != nil {
			t.Fatal(err)
		}
		want.Segments = want.Segments[:2] // the new ones are in no file
		ignore := cmp.Options{
			cmpopts.IgnoreFields(CubeInfo{}, "Revision", "CreatedUs"), cmpopts.IgnoreFields(SegmentEntry{}, "InputsChange"),
			cmpopts.IgnoreFields(GenerationInfo{}, "ClosedReason", "ClosedUs"), cmpopts.IgnoreFields(PartitionInfo{}, "Owner"),
			cmpopts.EquateEmpty(),
		}
		if d := cmp.Diff(want, got, ignore); d != "" {
			t.Errorf("snapshot (-want +got):\n%s", d)
		}
		wantDiff(t, "stale", []int64{1}, stale(t, to, w.cube))
		s := published(t, to, w.cube, rng(0, 20, 40))
		if s.Number != 50 || s.Attempt != 60 {
			t.Errorf("next segment %d of attempt %d, want 50 of 60", s.Number, s.Attempt)
		}
		if n, err := to.NextRequeue(ctx, w.tab); err != nil || n != 7 {
			t.Errorf("next requeue %d, %v, want 7", n, err)
		}
		p, err := to.Assign(ctx, Claim{TableID: w.tab})
		if err != nil || p.Epoch != epoch+1 || p.End != 5 || p.Generation != 1 {
			t.Errorf("assign: got %+v, %v, want epoch %d at g1 offset 5", p, err, epoch+1)
		}
		text, _ := dumpLines(t, to)
		raised := openAt(t, sqliteDSN(t))
		if err := raised.Restore(ctx, strings.NewReader(text), 1000); err != nil {
			t.Fatal(err)
		}
		if s := published(t, raised, w.cube, rng(1, 3, 5)); s.Number != 1051 || s.Attempt != 1061 {
			t.Errorf("after a raise: segment %d of attempt %d, want 1051 of 1061", s.Number, s.Attempt)
		}
	})
}

// C2: what does not fit together is refused as a whole.
func TestImportRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		ctx := context.Background()
		from, to := openAt(t, sqliteDSN(t)), openAt(t, dsn)
		w := newCrashWorld(t, from)
		whole := copyAll(t, from, w.tab, w.cube)
		seg, err := from.Segment(ctx, w.cube, 1)
		if err != nil {
			t.Fatal(err)
		}
		pending, err := from.Segment(ctx, w.cube, 3)
		if err != nil {
			t.Fatal(err)
		}
		seg.Number = 9
		_, before := dumpLines(t, to)
		for name, tt := range map[string]struct {
			more func(i *Importer) error
			want string
		}{
			"overlap":       {func(i *Importer) error { return i.Segment(seg) }, "overlaps"},
			"new":           {func(i *Importer) error { return i.Segment(pending) }, "is new"},
			"row twice":     {func(i *Importer) error { return i.Commit(staged(w.tab, 1, rng(0, 0, 10))) }, "does not meet"},
			"no line":       {func(i *Importer) error { return i.Commit(staged("other", 1, rng(0, 0, 10))) }, "not opened"},
			"generation":    {func(i *Importer) error { return i.Line(w.tab, GenerationInfo{PartitionRange: rng(2, 0, 0)}, 1) }, "comes after"},
			"unknown table": {func(i *Importer) error { return i.Line("other", GenerationInfo{}, 1) }, "other"},
			"no versions":   {func(i *Importer) error { return i.Cube(CubeImport{}) }, "without a version"},
			"cube twice": {func(i *Importer) error {
				def := cubeDef(w.name, "x")
				def.ID, def.Version = "another", 1
				return i.Cube(CubeImport{TableID: w.tab, Versions: []*cube.Cube{def}})
			}, "cube default/" + w.name},
		} {
			err := to.Import(ctx, func(i *Importer) error { return errors.Join(whole(i), tt.more(i)) })
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: got %v, want %q in it", name, err, tt.want)
			}
			if _, after := dumpLines(t, to); !cmp.Equal(before, after) {
				t.Fatalf("%s left something", name)
			}
		}
		if err := to.Import(ctx, whole); err != nil {
			t.Fatal(err)
		}
		var conflict *ConflictError
		if err := to.Import(ctx, whole); !errors.As(err, &conflict) {
			t.Errorf("import into a full catalog: got %v, want ConflictError", err)
		}
	})
}
