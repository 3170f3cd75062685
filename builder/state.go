package builder

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
	"github.com/tidemarkdb/tidemark/segmenter/plan"
)

// state is what plans are made from.
type state struct {
	catalog.CubeInfo
	topic    string
	tables   int                   // versions of its table
	g        segmenter.Generations // as committed
	log      segmenter.Generations // their open ends where the log ends, as far as that is known
	ends     segmenter.Vector      // where live segments end, by line
	live     []segmenter.Segment   // new and ready, by number; nil where only ends were read
	stale    map[int64]bool        // of live
	bare     map[int64]bool        // ready ones for which the engine has yet to make cuboids; none without an engine
	plain    map[int64]bool        // ready ones without cuboids, whether there is an engine or not
	news     int                   // how many are new
	tops     segmenter.Vector      // where the last new ones end, by line: empty ranges
	versions versions              // once they were compared
	look     bool                  // only a plan is wanted: nothing is fixed, and nobody is told

	// What is known of the offsets behind ends, and how far was committed when it was read. A state is made anew when its
	// cube changes, so that ends stay what they are.
	pending   *catalog.Pending
	committed int64
	due       time.Time // when a rule will ask for a cut if nothing changes; zero: none will
}

// snapshot reads a cube with its live segments.
func (b *Builder) snapshot(ctx context.Context, project, name string) (*state, error) {
	info, err := b.o.Catalog.Cube(ctx, project, name)
	if err != nil {
		return nil, err
	}
	return b.snapshotOf(ctx, info.Cube.ID)
}

func (b *Builder) snapshotOf(ctx context.Context, cubeID string) (*state, error) {
	defer b.m.timed("snapshot")()
	snap, err := b.o.Catalog.CubeSnapshot(ctx, cubeID)
	if err != nil {
		return nil, err
	}
	s := &state{CubeInfo: snap.CubeInfo, g: generations(snap.Partitions), stale: map[int64]bool{}, bare: map[int64]bool{}, plain: map[int64]bool{}}
	for _, e := range snap.Segments {
		s.live = append(s.live, e.Segment)
		s.stale[e.Number] = e.Stale
		if e.Bare && e.State == segmenter.SegmentReady {
			s.plain[e.Number] = true
			if b.o.Engine != nil {
				s.bare[e.Number] = true
			}
		}
		if e.State == segmenter.SegmentNew {
			s.addNew(e.Range)
		}
	}
	s.ends = plan.NextStart(s.live, nil, segmenter.Generations{})
	return s, b.complete(ctx, s)
}

// endsOf reads what a cut needs: it costs what the table has of partitions, however many segments there are.
func (b *Builder) endsOf(ctx context.Context, cubeID string) (*state, error) {
	defer b.m.timed("ends")()
	e, err := b.o.Catalog.CubeEnds(ctx, cubeID)
	if err != nil {
		return nil, err
	}
	s := &state{CubeInfo: e.CubeInfo, g: generations(e.Partitions), ends: e.Ends}
	for _, x := range e.New {
		s.addNew(x.Range)
	}
	return s, b.complete(ctx, s)
}

// addNew counts a segment that is not built yet.
func (s *state) addNew(v segmenter.Vector) {
	s.news++
	for _, r := range v {
		r.Start = r.End
		i := slices.IndexFunc(s.tops, r.SameLine)
		switch {
		case i < 0:
			s.tops = append(s.tops, r)
		case r.End > s.tops[i].End:
			s.tops[i] = r
		}
	}
}

// complete adds what the catalog's rows of the cube do not say.
func (b *Builder) complete(ctx context.Context, s *state) error {
	def, err := b.o.Catalog.TableByID(ctx, s.TableID, 0)
	if err != nil {
		return err
	}
	s.topic, s.tables, s.log = def.Topic, def.Version, s.g
	return nil
}

// reachLog asks where the log ends, of the ranges behind what is committed that take says. Brokers that do not answer are no
// obstacle: what is committed is planned.
func (b *Builder) reachLog(ctx context.Context, s *state, take func(unstaged segmenter.PartitionRange) bool) error {
	ends, err := b.logs.of(ctx, s.topic)
	s.log = reach(s.g, ends, s.tops, take)
	return err
}

func allPartitions(segmenter.PartitionRange) bool { return true }

// awaits reports whether a new segment waits for offsets of a range that are not committed yet.
func (s *state) awaits(unstaged segmenter.PartitionRange) bool {
	top, ok := s.tops.Line(unstaged.Partition, unstaged.Generation)
	return ok && top.End > unstaged.Start
}

// plan begins a plan of the cube as it was read.
func (s *state) plan() Plan {
	return Plan{Project: s.Cube.Project, Cube: s.Cube.Name, CubeID: s.Cube.ID, Revision: s.Revision, maxJobs: s.Cube.MaxJobs}
}

// next is where the next segment begins. Where no segment says so, it is the start that was fixed, or the definition's,
// which is fixed now where it would mean something else later, unless this is only a look.
func (b *Builder) next(ctx context.Context, s *state) (segmenter.Vector, error) {
	start := s.Start
	if start == nil && len(s.ends) == 0 {
		var err error
		if start, err = b.place(ctx, fromStart(s.Cube.Start), where{topic: s.topic, g: s.log}); err != nil {
			return nil, fmt.Errorf("start of cube %s: %w", s.Cube.Name, err)
		}
		if moving := s.Cube.Start.At == atLatest || s.Cube.Start.At == atTime; moving && len(start) > 0 && !s.look {
			if err := b.o.Catalog.SetCubeStart(ctx, s.Cube.ID, start); err != nil {
				return nil, err
			}
			info, err := b.o.Catalog.CubeInfo(ctx, s.Cube.ID)
			if err != nil {
				return nil, err
			}
			s.CubeInfo = info
		}
	}
	known := plan.NextStart(nil, s.ends, segmenter.Generations{})
	at := segmenter.Vector{}
	for _, r := range start.Ends() {
		if !hasPartition(known, r.Partition) {
			at = append(at, r)
		}
	}
	both, err := append(at, known...).Normalize()
	if err != nil {
		return nil, err
	}
	return plan.NextStart(nil, both, s.log), nil
}

func hasPartition(v segmenter.Vector, partition int32) bool {
	for _, r := range v {
		if r.Partition == partition {
			return true
		}
	}
	return false
}

// cutRules are the rules of a definition as the planner wants them.
func cutRules(def *cube.Cube) (plan.CutRules, error) {
	r := plan.CutRules{RowsPerBuild: def.Cut.RowsPerBuild}
	if def.Cut.Manual {
		return r, nil
	}
	r.Age, r.Rows, r.Bytes = def.Cut.Age, def.Cut.Rows, def.Cut.Bytes
	for _, c := range def.Cut.Crons {
		name := c.TimeZone
		if name == "" {
			name = def.TimeZone
		}
		zone, err := time.LoadLocation(name)
		if err != nil {
			return r, fmt.Errorf("time zone %q of a cron: %w", name, err)
		}
		cron, err := plan.ParseCron(c.Cron, zone)
		if err != nil {
			return r, err
		}
		r.Crons = append(r.Crons, cron)
	}
	return r, nil
}

// mergeRules are the rules of a definition as the planner wants them; ok is false where merging is by hand.
func mergeRules(def *cube.Cube) (r plan.MergeRules, ok bool) {
	r.TimeRanges = def.Merge.TimeRanges
	for _, a := range def.Merge.Budget {
		r.Budget = append(r.Budget, plan.AgeBudget{YoungerThan: a.YoungerThan, Segments: a.Segments})
	}
	return r, !def.Merge.Manual
}
