package builder

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Site is a world for tests with the engine, which imports this package.
type Site struct{ w *world }

// NewSite makes one with partition 0. more is added to the cube's definition.
func NewSite(t testing.TB, more string) *Site { return &Site{newWorld(t, 1, more)} }

// Store is where its files are.
func (s *Site) Store() blob.Store { return s.w.store }

// Catalog is its catalog.
func (s *Site) Catalog() *catalog.Catalog { return s.w.cat }

// Stage commits a file of events [start, end).
func (s *Site) Stage(start, end int64) { s.w.t.Helper(); s.w.stage(0, start, end) }

// Lose commits a range without events.
func (s *Site) Lose(start, end int64) { s.w.t.Helper(); s.w.lose(0, start, end) }

// Retype applies the table with another line for its column n; "" leaves it out.
func (s *Site) Retype(line string) {
	s.w.t.Helper()
	text := strings.Replace(tableYAML, "  - {name: n, type: int64}\n", line, 1)
	def, err := cube.ParseTable([]byte(text), "events.yaml")
	must(s.w.t, err)
	applied, err := s.w.cat.ApplyTable(s.w.t.Context(), def)
	must(s.w.t, err)
	s.w.table = applied.Table
}

// Measure applies the cube with other measures, and more lines.
func (s *Site) Measure(list, more string) {
	s.w.t.Helper()
	def, err := cube.ParseCube([]byte(strings.Replace(cubeYAML, "[count]", list, 1)+more), "views.yaml", s.w.table)
	must(s.w.t, err)
	applied, err := s.w.cat.ApplyCube(s.w.t.Context(), def.WithDefaults())
	must(s.w.t, err)
	s.w.cube = applied.Cube
}

// Builder makes a Builder with an engine over a store; nil: the site's.
func (s *Site) Builder(st blob.Store, e Engine) *Builder {
	s.w.t.Helper()
	return s.w.builder(func(o *Options) {
		o.Engine, o.MaxAttempts = e, 50
		o.BackOff, o.MaxBackOff = 1, 1
		if st != nil {
			o.Store = st
		}
	})
}

// Run runs all jobs that may run, and returns the attempts.
func (s *Site) Run(b *Builder) int { s.w.t.Helper(); return s.w.run(b) }

// Maintain plans what is to be done to the cube, reserves it, and runs it.
func (s *Site) Maintain(b *Builder) {
	s.w.t.Helper()
	_, err := b.maintain(s.w.t.Context(), s.w.cube.ID)
	must(s.w.t, err)
	s.w.run(b)
}

// Notes are what the plan of the maintenance that would come next says besides what it does.
func (s *Site) Notes(b *Builder) string {
	s.w.t.Helper()
	st, err := b.snapshotOf(s.w.t.Context(), s.w.cube.ID)
	must(s.w.t, err)
	p := st.plan()
	must(s.w.t, b.maintenance(s.w.t.Context(), st, &p, time.Now()))
	return strings.Join(p.Notes, "\n")
}

// Request is a request by hand.
func (s *Site) Request() Request { return s.w.request() }

// Segments lists the live segments.
func (s *Site) Segments() []string { s.w.t.Helper(); return s.w.segments() }

// Job reads a job.
func (s *Site) Job(id int64) catalog.Job { s.w.t.Helper(); return s.w.job(id) }

// Manifest reads that of a ready segment.
func (s *Site) Manifest(number int64) *segmenter.Manifest {
	s.w.t.Helper()
	row, err := s.w.cat.Segment(s.w.t.Context(), s.w.cube.ID, number)
	must(s.w.t, err)
	m, err := s.w.builder(nil).readManifest(s.w.t.Context(), segmenter.SegmentFolder(row.CubeID, row.ID, row.Attempt))
	must(s.w.t, err)
	return m
}

// Rebuilt rebuilds the catalog from the store alone, and returns its segments.
func (s *Site) Rebuilt() []string {
	s.w.t.Helper()
	for v := range s.w.table.Version {
		def, err := s.w.cat.TableByID(s.w.t.Context(), s.w.table.ID, v+1)
		must(s.w.t, err)
		text, err := json.Marshal(def)
		must(s.w.t, err)
		must(s.w.t, s.w.store.Create(s.w.t.Context(), fmt.Sprintf("tables/%s/v%d.json", def.ID, def.Version), bytes.NewReader(text)))
	}
	must(s.w.t, blob.Claim(s.w.t.Context(), s.w.store, s.w.cat.ID()))
	c, _ := s.w.rebuilt()
	return (&world{t: s.w.t, cat: c, cube: s.w.cube}).segments()
}
