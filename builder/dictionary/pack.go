package dictionary

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sort"
	"strconv"
	"strings"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// packWidth is how many slices, or packs of the next smaller kind, a pack has: a dictionary of n slices is looked up in at most
// 15 files for each digit of n in base 16.
const packWidth = 16

// maxPacks is how many packs one build makes at most; what is missing then is made by those that come next.
const maxPacks = 2 * packWidth

// Pack names a file with the values of slices First to Last and their ids. It says nothing that these do not: who finds none
// reads the slices. Its name holds the hash of the last of them, and so of all before it (D5): two that make it make the same.
type Pack struct {
	TableID, Column string
	First, Last     int64
	SHA256          string // of slice Last
}

// Key returns dictionaries/<table id>/<column>/pack-<first>-<last>.<sha256>.
func (p Pack) Key() string {
	return fmt.Sprintf("%s%010d-%010d.%s", packPrefix(p.TableID, p.Column), p.First, p.Last, p.SHA256)
}

func packPrefix(tableID, column string) string { return Prefix + tableID + "/" + column + "/pack-" }

// ParsePack takes the key of a pack apart; ok is false where it is none.
func ParsePack(key string) (p Pack, ok bool) {
	parts := strings.Split(strings.TrimPrefix(key, Prefix), "/")
	if len(parts) != 3 {
		return p, false
	}
	name, sum, _ := strings.Cut(strings.TrimPrefix(parts[2], "pack-"), ".")
	first, last, _ := strings.Cut(name, "-")
	p = Pack{TableID: parts[0], Column: parts[1], SHA256: sum}
	var err1, err2 error
	p.First, err1 = strconv.ParseInt(first, 10, 64)
	p.Last, err2 = strconv.ParseInt(last, 10, 64)
	return p, errors.Join(err1, err2) == nil && p.First > 0 && p.First < p.Last && p.Key() == key
}

// Has reports whether p has all that q has.
func (p Pack) Has(q Pack) bool {
	return p.TableID == q.TableID && p.Column == q.Column && p.First <= q.First && p.Last >= q.Last
}

// chain is slices that follow each other, with the packs that are there.
type chain struct {
	g      *Gather
	slices []catalog.DictionarySlice
	packs  map[Pack]int64 // sizes
	bad    map[Pack]bool  // those that were found damaged: they are neither read nor, as long as they are there, made again
}

// chain looks for packs, where there can be any.
func (g *Gather) chain(ctx context.Context, list []catalog.DictionarySlice) (*chain, error) {
	c := &chain{g: g, slices: list, packs: map[Pack]int64{}, bad: map[Pack]bool{}}
	if len(list) < packWidth {
		return c, nil
	}
	for o, err := range g.d.o.Store.List(ctx, packPrefix(g.tableID, g.column)) {
		if err != nil {
			return nil, err
		}
		if p, ok := ParsePack(o.Key); ok {
			c.packs[p] = o.Size
		}
	}
	return c, nil
}

// pack is the one of slices [i, i+width) of the chain; ok is false where these do not begin or end as packs do.
func (c *chain) pack(i, width int) (p Pack, ok bool) {
	if i+width > len(c.slices) || (c.slices[i].Slice-1)%int64(width) != 0 {
		return p, false
	}
	last := c.slices[i+width-1]
	return Pack{TableID: last.TableID, Column: last.Column, First: c.slices[i].Slice, Last: last.Slice, SHA256: last.SHA256}, true
}

// unit is slices [from, to) of a chain in one file.
type unit struct {
	from, to int
	pack     Pack
	packed   bool
}

// units are the fewest files that have the slices [from, to).
func (c *chain) units(from, to int) (list []unit) {
	for from < to {
		best := unit{from: from, to: from + 1}
		for width := packWidth; from+width <= to; width *= packWidth {
			if p, ok := c.pack(from, width); ok {
				if _, there := c.packs[p]; there {
					best = unit{from, from + width, p, true}
				}
			}
		}
		list, from = append(list, best), best.to
	}
	return list
}

// packError says that a pack cannot be read, though its slices may be.
type packError struct {
	pack Pack
	err  error
}

func (e *packError) Error() string { return e.pack.Key() + ": " + e.err.Error() }
func (e *packError) Unwrap() error { return e.err }

// blame names the file in which something is wrong, and tells a pack that must not be read from a store that does not answer.
func (f *file) blame(err error) error {
	if f.pack.Last > 0 && (IsDamaged(err) || errors.Is(err, blob.ErrNotFound)) {
		return &packError{f.pack, err}
	}
	if f.name != "" {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	return err
}

// doWithout takes the pack that err is about out of the chain (D7); ok is false where it is about none.
func (c *chain) doWithout(ctx context.Context, err error) (ok bool) {
	var bad *packError
	if !errors.As(err, &bad) {
		return false
	}
	delete(c.packs, bad.pack)
	if errors.Is(err, blob.ErrNotFound) { // clean-up had a larger one
		return true
	}
	c.bad[bad.pack] = true
	c.g.d.m.packs.WithLabelValues("damaged").Inc()
	c.g.d.o.Logger.LogAttrs(ctx, slog.LevelError, "pack of a dictionary is damaged: remove it, builds read its slices and make it again", slog.Any("err", c.g.named(err)))
	return true
}

// open opens the files that have slices [from, to) for a walk through all of them side by side, within memory.
func (c *chain) open(ctx context.Context, from, to int, memory int64) (list []*cursor, err error) {
	st := c.g.d.o.Store
	units := c.units(from, to)
	for n := 0; n < len(units); n++ {
		u := units[n]
		var f *file
		if u.packed {
			f, err = openPack(ctx, st, u.pack, c.packs[u.pack], c.slices[u.from:u.to])
		} else {
			f, err = openSlice(ctx, st, c.slices[u.from])
		}
		if c.doWithout(ctx, err) {
			units, n = append(units[:n:n], c.units(u.from, to)...), n-1
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, f.cursor(memory/int64(len(units))))
	}
	return list, nil
}

// sliceOf returns the slice that has an id.
func (c *chain) sliceOf(id int64) catalog.DictionarySlice {
	n := sort.Search(len(c.slices), func(i int) bool { return c.slices[i].FirstID > id })
	return c.slices[n-1]
}

// openPack opens a pack of slices, and holds its footer against them.
func openPack(ctx context.Context, st blob.Store, p Pack, size int64, list []catalog.DictionarySlice) (*file, error) {
	f, err := openFile(ctx, object{st, p.Key()}, size)
	if err != nil {
		return nil, (&file{pack: p, name: p.Key()}).blame(err)
	}
	f.pack, f.name = p, p.Key()
	if want := packFooter(list); f.foot.head() != want.head() {
		return nil, f.blame(damaged("it says %+v, the catalog's slices are %+v: remove it, builds make it again", f.foot.head(), want.head()))
	}
	return f, nil
}

// packFooter is what a pack of slices says of itself.
func packFooter(list []catalog.DictionarySlice) Footer {
	first, last := list[0], list[len(list)-1]
	return Footer{
		TableID: last.TableID, Column: last.Column, First: first.Slice, Slice: last.Slice, Previous: last.SHA256,
		FirstID: first.FirstID, Values: last.FirstID + last.Values - first.FirstID,
	}
}

// head is the part of a footer that is known before the file is written.
func (f *Footer) head() Footer {
	return Footer{TableID: f.TableID, Column: f.Column, First: f.First, Slice: f.Slice, Previous: f.Previous, FirstID: f.FirstID, Values: f.Values}
}

// makePacks makes the packs that the chain, which begins at slice 1, lacks. It returns how many it made.
func (g *Gather) makePacks(ctx context.Context, c *chain) (made int, err error) {
	for width := packWidth; width <= len(c.slices); width *= packWidth {
		for i := 0; i+width <= len(c.slices); i += width {
			p, ok := c.pack(i, width)
			if _, there := c.packs[p]; !ok || there || c.bad[p] || c.covered(p) {
				continue
			}
			if made == maxPacks {
				return made, nil
			}
			size, err := g.makePack(ctx, c, p, i, i+width)
			for c.doWithout(ctx, err) {
				size, err = g.makePack(ctx, c, p, i, i+width)
			}
			if err != nil {
				return made, err
			}
			c.packs[p] = size
			made++
		}
	}
	return made, nil
}

// covered reports whether a larger pack has what p would have.
func (c *chain) covered(p Pack) bool {
	for q := range c.packs {
		if q != p && q.Has(p) {
			return true
		}
	}
	return false
}

// makePack writes the pack of slices [from, to) and stores it.
func (g *Gather) makePack(ctx context.Context, c *chain, p Pack, from, to int) (size int64, err error) {
	cursors, err := c.open(ctx, from, to, g.d.o.Memory/2)
	if err != nil {
		return 0, err
	}
	f, err := g.disk.file()
	if err != nil {
		return 0, err
	}
	foot := packFooter(c.slices[from:to])
	want := foot.Values
	foot.Values = 0 // the writer counts
	w := newWriter(f, foot, g.disk.take)
	err = side(ctx, cursors, func(c *cursor) error { return w.add(c.value, c.id) })
	if err == nil {
		size, _, err = w.close()
	}
	if err == nil && w.foot.Values != want {
		err = damaged("slices %d to %d have %d values together, the catalog says %d", p.First, p.Last, w.foot.Values, want)
	}
	if err == nil {
		err = blob.CreateSame(ctx, g.d.o.Store, p.Key(), f)
	}
	return size, errors.Join(err, g.disk.drop(f, w.off))
}

// side walks through files side by side, in ascending order of all their values.
func side(ctx context.Context, cursors []*cursor, each func(*cursor) error) error {
	var h ordered[*cursor]
	for _, c := range cursors {
		ok, err := c.next(ctx)
		if err != nil {
			return c.f.blame(err)
		}
		if ok {
			h = append(h, c)
		}
	}
	heap.Init(&h)
	for len(h) > 0 {
		if err := each(h[0]); err != nil {
			return err
		}
		ok, err := h[0].next(ctx)
		switch {
		case err != nil:
			return h[0].f.blame(err)
		case ok:
			heap.Fix(&h, 0)
		default:
			heap.Pop(&h)
		}
	}
	return nil
}
