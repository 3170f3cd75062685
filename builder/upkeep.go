package builder

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tidemarkdb/tidemark/builder/scheduler"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// maintainer remembers cubes and what was maintained when, so that a pass costs what has changed. A cube is maintained when
// it has changed since, when events of its table have, and after recheck.
type maintainer struct {
	mu       sync.Mutex // guards what follows
	revision int64      // of cubes, up to which all is known
	cubes    map[string]keptCube
	tables   map[string]*keptTable // of cubes
	todo     map[string]bool       // cubes to be maintained; they stay until they were
	due      *dueQueue             // the others, when recheck is over
	gone     map[goneKey]goneSegment
	types    map[goneKey]int // versions of the table that live segments were built with, of those that were to be merged
	stored   map[string]int  // versions of definitions that are in the store
	marked   int64           // revision of cubes up to which all tombstones are in the store
}

// keptCube is a cube as the pass knows it.
type keptCube struct {
	name     string // project/cube
	tableID  string
	enabled  bool
	revision int64
	done     maintained
}

// maintained is what a cube's last maintenance by this process saw.
type maintained struct {
	revision int64 // 0: there was none
	change   int64 // of the table
	at       time.Time
}

type keptTable struct {
	change int64 // of its committed events, when PlanRefresh last looked
	cubes  map[string]bool
}

type goneKey struct {
	cubeID string
	number int64
}

// goneSegment is a segment that cannot be rebuilt.
type goneSegment struct {
	why      string
	at       time.Time
	reported bool
}

// recheck is how long a cube that has not changed is left alone: what is planned by age of data moves slowly. A segment that
// could not be rebuilt is looked at again after it too.
const recheck = 10 * time.Minute

func newMaintainer() *maintainer {
	return &maintainer{
		cubes: map[string]keptCube{}, tables: map[string]*keptTable{}, todo: map[string]bool{}, due: newDueQueue(),
		gone: map[goneKey]goneSegment{}, types: map[goneKey]int{}, stored: map[string]int{},
	}
}

// planMaintenance asks for the maintenance of each cube that has changed since it was last maintained, or whose time has
// come.
func (b *Builder) planMaintenance(ctx context.Context, _ scheduler.Task) ([]scheduler.Submission, error) {
	m := b.upkeep
	m.mu.Lock()
	err := b.keptCubes(ctx, m)
	spawn := maintainTasks(m, func(keptCube) bool { return true })
	revision, marked := m.revision, m.marked
	m.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if revision != marked {
		b.markAll(ctx, revision)
	}
	return spawn, nil
}

// planRefresh asks for the maintenance of cubes whose tables have changed events: a requeue, or offsets read again.
func (b *Builder) planRefresh(ctx context.Context, _ scheduler.Task) ([]scheduler.Submission, error) {
	m := b.upkeep
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := b.keptCubes(ctx, m); err != nil {
		return nil, err
	}
	marks, err := b.o.Catalog.TableMarks(ctx)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	for id, t := range m.tables {
		if mark, ok := marks[id]; ok && mark.Change != t.change {
			t.change = mark.Change
			for cubeID := range t.cubes {
				m.judge(cubeID, now)
			}
		}
	}
	return maintainTasks(m, func(c keptCube) bool { return m.tables[c.tableID].change > c.done.change }), nil
}

func maintainTasks(m *maintainer, want func(keptCube) bool) (spawn []scheduler.Submission) {
	for _, id := range slices.Sorted(maps.Keys(m.todo)) {
		if want(m.cubes[id]) {
			spawn = append(spawn, cubeTask(taskMaintain, id))
		}
	}
	return spawn
}

// keptCubes takes in what has changed of cubes, and whose time has come.
func (b *Builder) keptCubes(ctx context.Context, m *maintainer) error {
	ch, err := b.o.Catalog.CubeChanges(ctx, m.revision)
	if err != nil {
		return err
	}
	now := time.Now()
	for _, info := range ch.Live {
		m.put(info, now)
	}
	for _, id := range ch.Dropped {
		if c, ok := m.cubes[id]; ok {
			m.drop(id)
			b.m.forget(c.name)
		}
	}
	m.revision = ch.Revision
	if m.due.setBack(now) {
		for id := range m.cubes {
			m.judge(id, now)
		}
	}
	for _, id := range m.due.take(now) {
		m.judge(id, now)
	}
	return nil
}

func (m *maintainer) put(info catalog.CubeInfo, now time.Time) {
	id := info.Cube.ID
	c := m.cubes[id]
	c.name, c.tableID, c.enabled, c.revision = info.Cube.Project+"/"+info.Cube.Name, info.TableID, info.Enabled, info.Revision
	m.cubes[id] = c
	t := m.tables[c.tableID]
	if t == nil {
		t = &keptTable{cubes: map[string]bool{}}
		m.tables[c.tableID] = t
	}
	t.cubes[id] = true
	m.judge(id, now)
}

func (m *maintainer) drop(id string) {
	if t := m.tables[m.cubes[id].tableID]; t != nil {
		if delete(t.cubes, id); len(t.cubes) == 0 {
			delete(m.tables, m.cubes[id].tableID)
		}
	}
	delete(m.cubes, id)
	delete(m.todo, id)
	delete(m.stored, id)
	m.due.set(id, time.Time{})
	maps.DeleteFunc(m.gone, func(k goneKey, _ goneSegment) bool { return k.cubeID == id })
	maps.DeleteFunc(m.types, func(k goneKey, _ int) bool { return k.cubeID == id })
}

// judge decides whether a cube is to be maintained now, else when it will be if nothing changes.
func (m *maintainer) judge(id string, now time.Time) {
	c, ok := m.cubes[id]
	if !ok {
		return
	}
	age := now.Sub(c.done.at)
	idle := c.done.revision == c.revision && c.done.change >= m.tables[c.tableID].change && age >= 0 && age < recheck
	delete(m.todo, id)
	switch {
	case !c.enabled:
		m.due.set(id, time.Time{})
	case idle:
		m.due.set(id, now.Round(0).Add(recheck-age))
	default:
		m.due.set(id, time.Time{})
		m.todo[id] = true
	}
}

// finished notes that a cube was maintained.
func (m *maintainer) finished(id string, done maintained) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.cubes[id]
	if !ok {
		return // dropped, or not known yet to this process
	}
	c.done = done
	m.cubes[id] = c
	m.judge(id, done.at)
}
