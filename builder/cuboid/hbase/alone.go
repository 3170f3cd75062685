package hbase

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/internal/pages"
)

// Alone is a table read by itself, without manifest and definition: what it says of itself, and first rows.
type Alone struct {
	Header *cuboid.Header
	Groups []cuboid.FileGroup // by cuboid, in row-key order

	s      *Store
	table  string
	shards int
}

// OpenAlone reads what a table says of itself. Errors are as of a Reader.
func (s *Store) OpenAlone(ctx context.Context, table string) (*Alone, error) {
	h, err := s.header(ctx, table)
	if err != nil {
		return nil, err
	}
	a := &Alone{Header: h.Cuboids, s: s, table: table, shards: h.Shards}
	place := 0
	err = s.scan(ctx, table, groupKey(0, 0), []byte{0, 0, groupTag + 1}, func(x row) error {
		if len(x.key) != len(groupKey(0, 0)) {
			return damaged(table, "row %x describes no group", x.key[:min(len(x.key), 64)])
		}
		mask := binary.BigEndian.Uint64(x.key[3:])
		if n := len(a.Groups); n == 0 || a.Groups[n-1].Cuboid != mask {
			place = 0
		}
		g, err := parseGroup(table, x, mask, place)
		if err != nil {
			return err
		}
		if mask >= 1<<len(a.Header.Dimensions) || g.Rows < 1 || g.Bytes < 0 {
			return damaged(table, "group %d of cuboid %d: %d rows of %d bytes, with %d dimensions", place, mask, g.Rows, g.Bytes, len(a.Header.Dimensions))
		}
		place++
		a.Groups = append(a.Groups, cuboid.FileGroup{Cuboid: mask, Rows: int64(g.Rows), Bytes: g.Bytes})
		return nil
	})
	return a, err
}

// First returns the first n rows of a cuboid, or all if there are fewer, as columns of the header's fields.
func (a *Alone) First(ctx context.Context, mask uint64, n int) ([]pages.Column, error) {
	lanes := make([][]row, a.shards)
	eg, scanning := errgroup.WithContext(ctx)
	eg.SetLimit(8)
	for i := range lanes {
		eg.Go(func() error {
			err := a.s.scan(scanning, a.table, appendPrefix(nil, i+1, mask), appendPrefix(nil, i+1, mask+1), func(x row) error {
				if len(lanes[i]) == n {
					return errStop
				}
				value, err := unseal(x)
				if err != nil {
					return damaged(a.table, "cuboid %d: %w", mask, err)
				}
				lanes[i] = append(lanes[i], row{bytes.Clone(x.key[fixedBytes:]), bytes.Clone(value)})
				return nil
			})
			if errors.Is(err, errStop) {
				return nil
			}
			return err
		})
	}
	if err := eg.Wait(); err != nil {
		return nil, err
	}
	all := slices.Concat(lanes...)
	slices.SortFunc(all, func(x, y row) int { return bytes.Compare(x.key, y.key) })
	written := 0
	for _, g := range a.Groups {
		if g.Cuboid == mask && written < n {
			written += int(g.Rows)
		}
	}
	if len(all) < min(n, written) {
		return nil, damaged(a.table, "cuboid %d has %d rows, %d were written", mask, len(all), written)
	}
	return a.columns(mask, all[:min(n, len(all))])
}

// columns decodes rows. Dimensions that the cuboid lacks are null.
func (a *Alone) columns(mask uint64, list []row) ([]pages.Column, error) {
	fields, n := a.Header.Fields(), len(a.Header.Dimensions)
	cols, kinds := make([]pages.Column, len(fields)), make([]pages.Kind, len(fields))
	for i, f := range fields {
		cols[i].Kind, kinds[i] = f.Kind, f.Kind
	}
	states := valuesOf(kinds[n:])
	for _, x := range list {
		rest := x.key
		for i := range n {
			if mask>>(n-1-i)&1 == 0 {
				cols[i].AppendNull()
				continue
			}
			size, err := valueLen(kinds[i], rest)
			if err == nil && rest[0] == 0 {
				cols[i].AppendNull()
			} else if err == nil {
				err = takeValue(&cols[i], rest[:size])
			}
			if err != nil {
				return nil, damaged(a.table, "cuboid %d, dimension %s: %w", mask, a.Header.Dimensions[i].Name, err)
			}
			rest = rest[size:]
		}
		err := states.take(cols[n:], x.value)
		if err == nil && len(rest) > 0 {
			err = fmt.Errorf("%d bytes behind a key", len(rest))
		}
		if err != nil {
			return nil, damaged(a.table, "cuboid %d: %w", mask, err)
		}
	}
	return cols, nil
}
