package builder

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// cutter remembers cubes between passes of PlanCut, so that a pass costs what has changed: a cube is planned when it, its
// table or the end of its topic's log has changed, when its time has come, and again in each pass while a cut of it is due
// or it cannot be planned.
type cutter struct {
	mu       sync.Mutex // guards what follows
	revision int64      // of cubes, up to which all is known
	cubes    map[string]*state
	tables   map[string]*cutTable // of cubes that are cut by rules
	again    map[string]bool      // cubes to be planned in the next pass
	due      *dueQueue            // cubes whose age or cron comes then, if nothing changes
	since    map[string]time.Time // when offsets behind a cube's segments were first seen that the catalog does not have yet
}

// cutTable is what the cubes of a table are cut by.
type cutTable struct {
	topic string
	cubes map[string]bool
	read  bool // what follows was
	mark  catalog.TableMark
	ends  map[int32]int64 // of the log; nil: not known
	mute  bool            // the brokers did not answer for it
	parts []catalog.PartitionInfo
	g     segmenter.Generations
}

func newCutter() *cutter {
	return &cutter{
		cubes: map[string]*state{}, tables: map[string]*cutTable{}, again: map[string]bool{}, due: newDueQueue(), since: map[string]time.Time{},
	}
}

// put takes a cube as it was read just now.
func (c *cutter) put(s *state) {
	id := s.Cube.ID
	// Another process may have cut what was waited for: what comes behind it has not waited since then.
	if old := c.cubes[id]; old == nil || !slices.Equal(old.ends, s.ends) {
		delete(c.since, id)
	}
	c.leave(id)
	c.cubes[id] = s
	if !s.Enabled || s.Cube.Cut.Manual {
		return
	}
	t := c.tables[s.TableID]
	if t == nil {
		t = &cutTable{topic: s.topic, cubes: map[string]bool{}}
		c.tables[s.TableID] = t
	}
	t.cubes[id], c.again[id] = true, true
}

// fresh forgets how long what a cube does not hold has waited: it was cut.
func (c *cutter) fresh(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.since, id)
}

// drop forgets a cube.
func (c *cutter) drop(id string) {
	c.leave(id)
	delete(c.cubes, id)
	delete(c.since, id)
}

// leave takes a cube from all lists but that of cubes.
func (c *cutter) leave(id string) {
	delete(c.again, id)
	c.due.set(id, time.Time{})
	s := c.cubes[id]
	if s == nil || c.tables[s.TableID] == nil {
		return
	}
	t := c.tables[s.TableID]
	if delete(t.cubes, id); len(t.cubes) == 0 {
		delete(c.tables, s.TableID)
	}
}

// all has every cube planned in the next pass.
func (c *cutter) all() {
	for _, t := range c.tables {
		for id := range t.cubes {
			c.again[id] = true
		}
	}
}

// changedCubes reads again what has changed of cubes.
func (b *Builder) changedCubes(ctx context.Context, c *cutter) error {
	ch, err := b.o.Catalog.CubeChanges(ctx, c.revision)
	if err != nil {
		return err
	}
	for _, info := range ch.Live {
		s, err := b.endsOf(ctx, info.Cube.ID)
		if errors.Is(err, catalog.ErrNotFound) {
			c.drop(info.Cube.ID) // meanwhile
			continue
		}
		if err != nil {
			return err
		}
		c.put(s)
	}
	for _, id := range ch.Dropped {
		c.drop(id)
	}
	c.revision = ch.Revision
	return nil
}

// cutTopics takes in what has changed of cubes, and returns the topics of those that are cut by rules.
func (b *Builder) cutTopics(ctx context.Context, c *cutter) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := b.changedCubes(ctx, c); err != nil {
		return nil, err
	}
	topics := map[string]bool{}
	for _, t := range c.tables {
		topics[t.topic] = true
	}
	return slices.Sorted(maps.Keys(topics)), nil
}

// changedTables looks at every table that has cubes to be cut, and reads again those that have changed. It comes after
// changedCubes: what is known of a table must not be older than where its segments end.
func (b *Builder) changedTables(ctx context.Context, c *cutter, ends map[string]logEnds) error {
	if len(c.tables) == 0 {
		return nil
	}
	marks, err := b.o.Catalog.TableMarks(ctx)
	if err != nil {
		return err
	}
	for id, t := range c.tables {
		end, err := ends[t.topic].offsets, ends[t.topic].err
		if err != nil && !t.mute {
			b.o.Logger.LogAttrs(ctx, slog.LevelWarn, "end of the log is not known", slog.String("topic", t.topic), slog.Any("err", err))
		}
		t.mute = err != nil
		if t.read && t.mark == marks[id] && maps.Equal(t.ends, end) {
			continue
		}
		if t.parts, err = b.o.Catalog.Partitions(ctx, id); err != nil {
			return err
		}
		t.read, t.mark, t.ends, t.g = true, marks[id], end, generations(t.parts)
		for cubeID := range t.cubes {
			c.again[cubeID] = true
		}
	}
	return nil
}
