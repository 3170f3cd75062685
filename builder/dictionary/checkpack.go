package dictionary

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// CheckPack reads a pack and the slices that it has, which are all of the dictionary's up to its last one: it has their values
// and ids, and no others. Files are read one after the other, so that memory grows by 40 bytes a slice alone (D4). Where a file is
// not there, blob.ErrNotFound is in the chain; for what is wrong in it, see IsDamaged.
func CheckPack(ctx context.Context, st blob.Store, p Pack, size int64, list []catalog.DictionarySlice) error {
	if p.Last > int64(len(list)) || list[p.Last-1].SHA256 != p.SHA256 {
		return fmt.Errorf("%s: %w", p.Key(), damaged("it is of other slices than those of the catalog"))
	}
	c := &chain{slices: list[p.First-1 : p.Last]}
	f, err := openPack(ctx, st, p, size, c.slices)
	if err != nil {
		return err
	}
	have := make([]digest, len(c.slices)) // of what the pack has of each slice, in the slice's order
	err = f.each(ctx, func(v *cursor) { have[c.sliceOf(v.id).Slice-p.First].add(v.value, v.id) })
	if err != nil {
		return err
	}
	for i, s := range c.slices {
		if f, err = openSlice(ctx, st, s); err != nil {
			return err
		}
		var want digest
		if err := f.each(ctx, func(v *cursor) { want.add(v.value, v.id) }); err != nil {
			return err
		}
		if have[i] != want {
			return fmt.Errorf("%s: %w", p.Key(), damaged("of slice %d it has %d values, which are not the %d of %s with their ids",
				s.Slice, have[i].values, want.values, s.Key))
		}
	}
	return nil
}

// digest stands for values in order with their ids: what has the same is the same.
type digest struct {
	values int64
	sum    [sha256.Size]byte
}

func (d *digest) add(value []byte, id int64) {
	d.values++
	text := append(make([]byte, 0, 256), d.sum[:]...)
	text = binary.LittleEndian.AppendUint64(text, uint64(id))
	d.sum = sha256.Sum256(append(text, value...))
}

// each walks through a file.
func (f *file) each(ctx context.Context, take func(*cursor)) error {
	for c := f.cursor(1 << 20); ; {
		ok, err := c.next(ctx)
		if err != nil {
			return f.blame(err)
		}
		if !ok {
			return nil
		}
		take(c)
	}
}
