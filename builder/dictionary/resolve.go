package dictionary

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// IDs are the ids of the values of one Gather. They are safe for concurrent use until the Gather is closed.
type IDs struct {
	g      *Gather
	order  *scratch                // of each value of each block: its place among the distinct values of all blocks
	ids    *scratch                // of the distinct values, in order
	values int64                   // distinct
	last   catalog.DictionarySlice // the last one that has any of them; zero: there are none
	fixed  bool                    // nothing is appended

	lenient bool // what is not found is Unknown
}

// Resolve finds the ids of all values that were added, and appends a slice with those that have none yet (D2). It may be
// called once; nothing may be added after it. A value too many is a *FullError.
func (g *Gather) Resolve(ctx context.Context) (*IDs, error) {
	return g.end(ctx, &IDs{g: g}, (*IDs).resolve)
}

func (g *Gather) end(ctx context.Context, i *IDs, resolve func(*IDs, context.Context) error) (*IDs, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.done {
		return nil, g.named(errors.New("ids were given before"))
	}
	g.done = true
	err := i.begin()
	if err == nil {
		err = resolve(i, ctx)
	}
	if err != nil {
		return nil, g.named(err)
	}
	return i, nil
}

// pending is the values whose ids are not known, in order, with their places among the distinct ones.
type pending interface {
	next(ctx context.Context) (ok bool, err error)
	current() []byte
	place() int64
}

// gathered is all values. Walking through it writes the order.
type gathered struct {
	stream
	starts []int64
	order  []numbers // of each block
	taken  []int64   // values of each block so far
	n      int64
}

// begin makes the files.
func (i *IDs) begin() (err error) {
	if i.order, err = i.g.disk.file(); err != nil {
		return err
	}
	i.ids, err = i.g.disk.file()
	return err
}

// all begins to walk through all values.
func (i *IDs) all() (pending, error) {
	g := i.g
	blocks := len(g.starts) - 1
	p := &gathered{
		stream: unionOf(append(g.inMemory(), g.spilled()...)), starts: g.starts,
		order: make([]numbers, blocks), taken: make([]int64, blocks),
	}
	most := min(max(g.d.o.Memory/8/4/int64(max(blocks, 1)), 64), 16<<10)
	for b := range p.order {
		p.order[b] = numbers{d: &g.disk, f: i.order, most: most}
	}
	return p, nil
}

func (p *gathered) place() int64 { return p.n - 1 }

func (p *gathered) next(ctx context.Context) (bool, error) {
	ok, err := p.stream.next(ctx)
	if err != nil {
		return false, err
	}
	if !ok {
		for b := range p.order {
			if err := p.order[b].flush(); err != nil {
				return false, err
			}
		}
		return false, nil
	}
	for _, b := range p.blocks() {
		if err := p.order[b].put(p.starts[b]+p.taken[b], uint32(p.n)); err != nil {
			return false, err
		}
		p.taken[b]++
	}
	p.n++
	return true, nil
}

// again is the values of a slice that could not be appended, since another was first.
type again struct {
	*cursor
	places io.Reader
	at     int64
}

func (a *again) place() int64 { return a.at }

func (a *again) next(ctx context.Context) (bool, error) {
	ok, err := a.cursor.next(ctx)
	if !ok || err != nil {
		return false, err
	}
	var raw [4]byte
	_, err = io.ReadFull(a.places, raw[:])
	a.at = int64(binary.LittleEndian.Uint32(raw[:]))
	return err == nil, err
}

// resolve knows the slices up to seen after each round, and values begins a walk through those that none of them has.
func (i *IDs) resolve(ctx context.Context) error {
	o := i.g.d.o
	values := i.all
	var seen catalog.DictionarySlice // zero: none
	all := &chain{g: i.g}
	for range o.Tries {
		list, err := o.Catalog.DictionarySlices(ctx, i.g.tableID, i.g.column, seen.Slice)
		if err != nil {
			return err
		}
		if err := follow(seen, list); err != nil {
			return err
		}
		if len(list) > 0 {
			seen = list[len(list)-1]
		}
		now, err := i.g.chain(ctx, list)
		if err != nil {
			return err
		}
		all.slices = append(all.slices, list...)
		if len(list) == len(all.slices) {
			all.packs, all.bad = now.packs, now.bad
		}
		fresh, err := i.split(ctx, values, now, seen)
		if err != nil || fresh == nil {
			i.g.pack(ctx, all, err)
			return err
		}
		// Store first, then catalog (D3).
		if err := blob.CreateSame(ctx, o.Store, fresh.slice.Key, fresh.f); err != nil {
			return err
		}
		err = o.Catalog.AppendDictionary(ctx, fresh.slice)
		if err == nil {
			i.g.d.m.appends.WithLabelValues("appended").Inc()
			i.g.d.m.values.Add(float64(fresh.slice.Values))
			i.last = fresh.slice
			all.slices = append(all.slices, fresh.slice)
			i.g.pack(ctx, all, nil)
			return nil
		}
		if !errors.Is(err, catalog.ErrDictionaryMoved) {
			return err
		}
		i.g.d.m.appends.WithLabelValues("lost").Inc()
		values = func() (pending, error) { return fresh.again(ctx, o.Memory/4) }
	}
	return fmt.Errorf("others were faster %d times (build.dictionary_tries)", o.Tries) // the catalog has answered each time
}

// pack makes the packs that all slices lack, unless there was an error. One that cannot be made is missed by nobody: the
// slices are read instead, and the next build tries again.
func (g *Gather) pack(ctx context.Context, all *chain, err error) {
	if err != nil || len(all.slices) < packWidth {
		return
	}
	made, err := g.makePacks(ctx, all)
	g.d.m.packs.WithLabelValues("made").Add(float64(made))
	if err != nil && ctx.Err() == nil {
		g.d.m.packs.WithLabelValues("failed").Inc()
		g.d.o.Logger.LogAttrs(ctx, slog.LevelWarn, "pack of a dictionary was not made", slog.Any("err", g.named(err)))
	}
}

// follow checks that slices continue each other (D1).
func follow(last catalog.DictionarySlice, list []catalog.DictionarySlice) error {
	for _, s := range list {
		if s.Slice != last.Slice+1 || s.FirstID != last.FirstID+last.Values {
			return fmt.Errorf("the catalog has slice %d from id %d after slice %d, which ends at id %d: restore it from a backup, or rebuild it",
				s.Slice, s.FirstID, last.Slice, last.FirstID+last.Values)
		}
		last = s
	}
	return nil
}

// split finds values in slices and writes their ids. Those that no slice has become the slice to come next, after last, and get
// the ids that they have if it is appended; nil if there are none. Where a pack turns out to be damaged it begins again without.
func (i *IDs) split(ctx context.Context, values func() (pending, error), known *chain, last catalog.DictionarySlice) (*fresh, error) {
	for {
		mark, depends := i.g.disk.mark(), i.last
		var f *fresh
		v, err := values()
		if err == nil {
			f, err = i.walk(ctx, v, known, last)
		}
		if !known.doWithout(ctx, err) {
			return f, err
		}
		i.last = depends
		if err := i.g.disk.undo(mark); err != nil {
			return nil, err
		}
	}
}

// walk is one attempt of split.
func (i *IDs) walk(ctx context.Context, values pending, known *chain, last catalog.DictionarySlice) (*fresh, error) {
	cursors, err := known.open(ctx, 0, len(known.slices), i.g.d.o.Memory/4)
	if err != nil {
		return nil, err
	}
	find := &lookup{waiting: cursors}
	f, err := i.g.fresh(last)
	if err != nil {
		return nil, err
	}
	ids := numbers{d: &i.g.disk, f: i.ids, most: 16 << 10}
	for {
		ok, err := values.next(ctx)
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		v, at := values.current(), values.place()
		i.values = max(i.values, at+1)
		c, err := find.find(ctx, v)
		if err != nil {
			return nil, err
		}
		var id int64
		if c != nil {
			id = c.id
			if s := known.sliceOf(id); s.Slice > i.last.Slice {
				i.last = s
			}
		} else if i.lenient {
			id = Unknown
		} else if i.fixed {
			return nil, &UnknownError{Value: string(v[:min(len(v), 100)])}
		} else if id, err = f.add(v, at); err != nil {
			return nil, err
		}
		if err := ids.put(at, uint32(id)); err != nil {
			return nil, err
		}
	}
	if err := ids.flush(); err != nil {
		return nil, err
	}
	return f.finish()
}

// Of returns the ids of the values of a block, in their order. It costs what the block has, wherever its values lie.
func (i *IDs) Of(ctx context.Context, block int) ([]uint32, error) {
	if block < 0 || block >= len(i.g.starts)-1 {
		return nil, i.g.named(fmt.Errorf("block %d: %d were added", block, len(i.g.starts)-1))
	}
	start, end := i.g.starts[block], i.g.starts[block+1]
	out, err := readNumbers(i.order, start, end-start)
	if err != nil {
		return nil, i.g.named(err)
	}
	w := window{src: local{i.ids}, end: 4 * i.values, most: 1 << 20}
	for k, at := range out {
		raw, err := w.read(ctx, 4*int64(at), 4)
		if err != nil {
			return nil, i.g.named(err)
		}
		out[k] = binary.LittleEndian.Uint32(raw)
	}
	return out, nil
}

// Values returns how many distinct values there are.
func (i *IDs) Values() int64 { return i.values }

// Input names the slice that a manifest must name: the last one that has any of the values (D6). ok is false without values.
func (i *IDs) Input() (in segmenter.Input, ok bool) {
	s := i.last
	return segmenter.Input{Kind: segmenter.InputDictionary, Key: s.Key, Size: s.Size, SHA256: s.SHA256, Records: s.Values}, s.Slice > 0
}
