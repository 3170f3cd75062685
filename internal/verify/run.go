package verify

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tidemarkdb/tidemark/builder/dictionary"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// run is one proof under way.
type run struct {
	o      Options
	start  time.Time
	totals catalog.TableStats // of all tables, for progress

	dictionaries *dictionary.Dictionaries

	secondMu sync.Mutex // held while the second reader reads: one file at a time

	files, bytes, events, records, cuboids atomic.Int64
	table                                  atomic.Pointer[string]
	kafka                                  atomic.Bool

	mu        sync.Mutex // guards what follows and every TableReport
	problems  []Problem
	wrong     map[string]bool // files that a problem names
	cubes     []CubeReport
	stale     []StaleSegment
	holes     []Hole
	uncounted []UncountedSegment
	retirees  []RetiredDamage

	retiredLeftOut bool

	snapshots map[string]bool  // of lookup tables, that cubes and segments name and that were looked at
	objects   map[string]int64 // that were proved and are of no ledger and no segment, by kind
}

// tableRun is the part of one table.
type tableRun struct {
	*run
	def      *cube.Table
	versions map[int]*version
	out      *TableReport
	every    int64 // every so many files one goes to the second reader
	seen     atomic.Int64
	slices   map[string]catalog.DictionarySlice // of its dictionaries, by key
}

// version is one version of the definition.
type version struct {
	def    *cube.Table
	schema *stage.Schema
}

// Run proves what Options ask for. Problems are in the report, not in the error: an error means that the proof was not
// finished (V4).
func Run(ctx context.Context, o Options) (*Report, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	defs, err := tables(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	ids, err := dictionary.New(dictionary.Options{Catalog: o.Catalog, Store: o.Store, Dir: o.Dir, Memory: o.LookupMemory, Disk: o.LookupDisk})
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	r := &run{o: o, start: time.Now(), dictionaries: ids, wrong: map[string]bool{}, objects: map[string]int64{}, snapshots: map[string]bool{}}
	for _, def := range defs {
		s, err := o.Catalog.Stats(ctx, def.ID)
		if err != nil {
			return nil, fmt.Errorf("verify: %w", err)
		}
		r.totals.Files, r.totals.Bytes = r.totals.Files+s.Files, r.totals.Bytes+s.Bytes
	}
	dropped, err := o.Catalog.Noted(ctx)
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	report := &Report{Tables: make([]TableReport, len(defs))}
	err = r.watched(ctx, func(ctx context.Context) error {
		for i, def := range defs {
			if err := r.verifyTable(ctx, def, &report.Tables[i]); err != nil {
				return fmt.Errorf("verify table %s/%s: %w", def.Project, def.Name, err)
			}
		}
		if err := r.verifyStore(ctx, dropped); err != nil {
			return fmt.Errorf("verify store: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	report.Problems, report.Objects = append([]Problem{}, r.problems...), r.objects
	report.Cubes = append([]CubeReport{}, r.cubes...)
	report.Uncounted = append([]UncountedSegment{}, r.uncounted...)
	report.RetiredDamage, report.RetiredLeftOut = append([]RetiredDamage{}, r.retirees...), r.retiredLeftOut
	report.StaleSegments, report.Holes = append([]StaleSegment{}, r.stale...), append([]Hole{}, r.holes...)
	report.finish(time.Since(r.start))
	return report, nil
}

func tables(ctx context.Context, o Options) ([]*cube.Table, error) {
	if o.Table == "" {
		return o.Catalog.Tables(ctx, o.Project)
	}
	def, err := o.Catalog.Table(ctx, o.Project, o.Table)
	return []*cube.Table{def}, err
}

// watched runs work beside the one goroutine that reports progress, which is the caller's.
func (r *run) watched(ctx context.Context, work func(context.Context) error) error {
	done := make(chan error, 1)
	go func() { done <- work(ctx) }()
	tick := time.NewTicker(r.o.ProgressEvery)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			if err == nil {
				r.o.Progress(r.progress(time.Now()))
			}
			return err
		case now := <-tick.C:
			r.o.Progress(r.progress(now))
		}
	}
}

func (r *run) progress(now time.Time) Progress {
	p := Progress{
		Kafka: r.kafka.Load(), Files: r.files.Load(), TotalFiles: r.totals.Files, Events: r.events.Load(),
		Bytes: r.bytes.Load(), TotalBytes: r.totals.Bytes, Records: r.records.Load(), Cuboids: r.cuboids.Load(),
	}
	if name := r.table.Load(); name != nil {
		p.Table = *name
	}
	if took := now.Sub(r.start).Seconds(); took > 0 && p.Bytes > 0 {
		p.BytesPerSec = float64(p.Bytes) / took
		if left := p.TotalBytes - p.Bytes; left > 0 {
			p.ETA = time.Duration(float64(left) / p.BytesPerSec * float64(time.Second))
		}
	}
	return p
}

func (r *run) verifyTable(ctx context.Context, def *cube.Table, out *TableReport) error {
	*out = TableReport{
		Project: def.Project, Table: def.Name, TableID: def.ID,
		Exceptions: map[string]int64{string(segmenter.Gap): 0, string(segmenter.Quarantined): 0},
	}
	name := out.name()
	r.table.Store(&name)
	r.kafka.Store(false)
	t := &tableRun{run: r, def: def, versions: map[int]*version{}, out: out}
	defs, err := r.o.Catalog.TableVersions(ctx, def.ID)
	if err != nil {
		return err
	}
	var stored []definition
	for _, d := range defs {
		t.versions[d.Version] = &version{def: d, schema: stage.NewSchema(d)}
		stored = append(stored, tableDefinition(d))
	}
	lines, cubes, err := t.snapshot(ctx)
	if err != nil {
		return err
	}
	if stored, err = t.cubeDefinitions(ctx, stored, cubes); err != nil {
		return err
	}
	for i := range lines {
		t.checkPartition(&lines[i])
	}
	if err := t.verifyFiles(ctx, lines); err != nil {
		return err
	}
	// After the cubes' segments were read, so that every slice that they name is there.
	if err := t.verifyDictionaries(ctx); err != nil {
		return fmt.Errorf("dictionaries: %w", err)
	}
	for _, c := range cubes {
		if err := c.verify(ctx, lines); err != nil {
			return fmt.Errorf("segments: %w", err)
		}
	}
	if r.o.AgainstKafka {
		r.kafka.Store(true)
		if err := t.againstKafka(ctx, lines); err != nil {
			return err
		}
	}
	return r.verifyDefinitions(ctx, name, stored)
}

// verifyFiles reads every file that the rows name, several at once.
func (t *tableRun) verifyFiles(ctx context.Context, parts []partition) error {
	var files int64
	for _, p := range parts {
		files += p.counted.Files
	}
	t.every = max(1, files/int64(max(1, t.o.SecondReader)))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(t.o.Workers)
	for i := range parts {
		p := &parts[i]
		for j := range p.entries {
			e := &p.entries[j]
			if e.File != nil && e.State == segmenter.Staged {
				g.Go(func() error { return t.stagedFile(ctx, e) })
			}
			if e.Quarantine != nil {
				g.Go(func() error { return t.quarantineFile(ctx, e) })
			}
			if e.LedgerFile != nil {
				g.Go(func() error { return t.ledgerFile(ctx, e) })
			}
			if ctx.Err() != nil {
				return g.Wait()
			}
		}
		for _, s := range p.supplements() {
			g.Go(func() error { return t.supplementFile(ctx, s) })
		}
	}
	return g.Wait()
}

// found adds a problem with a range.
func (t *tableRun) found(k Kind, r segmenter.PartitionRange, file, format string, args ...any) {
	t.add(Problem{Kind: k, Partition: r.Partition, Range: &r, File: file, Message: fmt.Sprintf(format, args...)})
}

func (t *tableRun) add(p Problem) {
	p.Table = t.out.name()
	t.note(p)
}

// note keeps a problem.
func (r *run) note(p Problem) {
	p.Do = adviceOn(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.problems = append(r.problems, p)
	if p.File != "" {
		r.wrong[p.File] = true
	}
}

// isWrong reports whether a problem names a file: what follows from it need not be said again (V3).
func (r *run) isWrong(key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.wrong[key]
}

// count adds to the table's report what f changes.
func (t *tableRun) count(f func(out *TableReport)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(t.out)
}

// broken sorts an error of reading a file: one that ends the proof is returned, one that lies in the file becomes a
// problem.
func (t *tableRun) broken(ctx context.Context, r segmenter.PartitionRange, key string, err error) error {
	var format *stage.FormatError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, blob.ErrNotFound):
		t.found(FileMissing, r, key, "the store has no such object")
	case errors.As(err, &format):
		t.found(FileUnreadable, r, key, "%v", format.Err)
	default:
		return err
	}
	return nil
}
