package dictionary

import (
	"bufio"
	"context"
	"io"

	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// fresh is a slice under way, with the place of each of its values among the distinct ones of the build.
type fresh struct {
	g      *Gather
	f      *scratch
	w      *writer
	places numbers
	slice  catalog.DictionarySlice
}

// fresh begins the slice that follows last.
func (g *Gather) fresh(last catalog.DictionarySlice) (*fresh, error) {
	file, err := g.disk.file()
	if err != nil {
		return nil, err
	}
	places, err := g.disk.file()
	if err != nil {
		return nil, err
	}
	s := catalog.DictionarySlice{TableID: g.tableID, Column: g.column, Slice: last.Slice + 1, FirstID: last.FirstID + last.Values}
	foot := Footer{TableID: s.TableID, Column: s.Column, Slice: s.Slice, Previous: last.SHA256, FirstID: s.FirstID}
	return &fresh{
		g: g, f: file, slice: s, places: numbers{d: &g.disk, f: places, most: 16 << 10},
		w: newWriter(file, foot, g.disk.take),
	}, nil
}

// add gives a value the next id.
func (f *fresh) add(v []byte, place int64) (id int64, err error) {
	n := f.w.foot.Values
	if id = f.slice.FirstID + n; id >= maxValues {
		return 0, &FullError{TableID: f.g.tableID, Column: f.g.column, Has: f.slice.FirstID, New: n + 1}
	}
	if err := f.w.add(v, id); err != nil {
		return 0, err
	}
	return id, f.places.put(n, uint32(place))
}

// finish completes the file; it returns nil if it has no value.
func (f *fresh) finish() (*fresh, error) {
	if f.w.foot.Values == 0 {
		return nil, nil
	}
	size, sum, err := f.w.close()
	if err != nil {
		return nil, err
	}
	f.slice.Size, f.slice.SHA256, f.slice.Values = size, sum, f.w.foot.Values
	f.slice.Key = KeyInfo{TableID: f.slice.TableID, Column: f.slice.Column, Slice: f.slice.Slice, SHA256: sum}.Key()
	return f, f.places.flush()
}

// again streams its values.
func (f *fresh) again(ctx context.Context, memory int64) (pending, error) {
	file, err := openFile(ctx, local{f.f}, f.slice.Size)
	if err != nil {
		return nil, err
	}
	return &again{
		cursor: file.cursor(memory),
		places: bufio.NewReaderSize(io.NewSectionReader(f.places.f, 0, 4*f.slice.Values), 64<<10),
	}, nil
}
