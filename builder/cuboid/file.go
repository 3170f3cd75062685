package cuboid

import (
	"context"
	"fmt"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/pages"
)

// File is a cuboid file read by itself, without manifest and definition: what it says of itself, and its columns.
type File struct {
	Header *Header
	Groups []FileGroup

	key  string
	file *pages.File
}

// FileGroup is a row group of a File.
type FileGroup struct {
	Cuboid uint64
	Rows   int64
	Bytes  int64
}

// OpenFile opens the cuboid file at key. size < 0: it is looked up. Errors are as of a Reader.
func OpenFile(ctx context.Context, st blob.Store, key string, size int64) (*File, error) {
	f, h, err := openFile(ctx, st, key, size, nil)
	if err != nil {
		return nil, err
	}
	out := &File{Header: h, key: key, file: f}
	for i := range f.Meta.RowGroups {
		rg := &f.Meta.RowGroups[i]
		mask, err := maskOf(rg)
		if err != nil {
			f.Close()
			return nil, &FormatError{Key: key, Err: fmt.Errorf("row group %d: %w", i, err)}
		}
		out.Groups = append(out.Groups, FileGroup{Cuboid: mask, Rows: rg.NumRows, Bytes: rg.TotalCompressedSize})
	}
	return out, nil
}

// Fields returns the columns that Read reads, in order.
func (f *File) Fields() []pages.Field { return f.Header.Fields() }

// Read returns all columns but _cuboid of a row group.
func (f *File) Read(ctx context.Context, group int) (cols []pages.Column, err error) {
	if group < 0 || group >= len(f.Groups) {
		return nil, fmt.Errorf("file %s: no row group %d, there are %d", f.key, group, len(f.Groups))
	}
	want := make([]int, len(f.Fields()))
	for i := range want {
		want[i] = i + 1
	}
	err = pages.Guarded(f.key, func() error {
		cols, err = f.file.Read(ctx, group, want)
		return err
	})
	return cols, err
}

// Close frees what the file holds. Columns that were read stay good.
func (f *File) Close() { f.file.Close() }
