package verify

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/tidemarkdb/tidemark/builder/dictionary"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// verifyDictionaries proves the slices of the table's dictionaries: whole, in one line, each after the one whose hash it holds.
func (t *tableRun) verifyDictionaries(ctx context.Context) error {
	list, err := t.o.Catalog.TableDictionaries(ctx, t.def.ID)
	if err != nil {
		return err
	}
	t.slices = map[string]catalog.DictionarySlice{}
	g, group := errgroup.WithContext(ctx)
	g.SetLimit(t.o.Workers)
	var before catalog.DictionarySlice
	for _, s := range list {
		t.slices[s.Key] = s
		if s.Column != before.Column {
			before = catalog.DictionarySlice{Column: s.Column}
		}
		if s.Slice != before.Slice+1 || s.FirstID != before.FirstID+before.Values {
			t.add(Problem{Kind: DictionarySlices, Partition: -1, File: s.Key, Message: fmt.Sprintf(
				"slice %d begins at id %d and follows slice %d, which ends at id %d", s.Slice, s.FirstID, before.Slice, before.FirstID+before.Values)})
		}
		after := before.Key
		g.Go(func() error { return t.slice(group, s, after) })
		before = s
	}
	if err := errors.Join(t.verifyPacks(group, g, list), g.Wait()); err != nil {
		return err
	}
	return ctx.Err()
}

// verifyPacks proves that packs have what their slices have. One of slices that the dictionary does not have is read by nobody.
func (t *tableRun) verifyPacks(ctx context.Context, g *errgroup.Group, list []catalog.DictionarySlice) error {
	if len(list) == 0 {
		return nil
	}
	columns := map[string][]catalog.DictionarySlice{}
	for _, s := range list {
		columns[s.Column] = append(columns[s.Column], s)
	}
	for o, err := range t.o.Store.List(ctx, dictionary.Prefix+t.def.ID+"/") {
		if err != nil {
			return err
		}
		p, ok := dictionary.ParsePack(o.Key)
		of := columns[p.Column]
		if ok && p.Last <= int64(len(of)) && of[p.Last-1].SHA256 == p.SHA256 {
			g.Go(func() error { return t.pack(ctx, p, o.Size, of) })
		}
	}
	return nil
}

func (t *tableRun) pack(ctx context.Context, p dictionary.Pack, size int64, list []catalog.DictionarySlice) error {
	defer t.files.Add(1)
	t.bytes.Add(size)
	err := dictionary.CheckPack(ctx, t.o.Store, p, size, list)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, blob.ErrNotFound): // clean-up took it, or a slice is gone, which is said of that
		return nil
	case dictionary.IsDamaged(err):
		t.add(Problem{Kind: FileChanged, Partition: -1, File: p.Key(), Message: err.Error()})
		return nil
	}
	return err
}

// slice proves one slice, which comes after another.
func (t *tableRun) slice(ctx context.Context, s catalog.DictionarySlice, after string) error {
	defer t.files.Add(1)
	err := dictionary.Check(ctx, t.o.Store, s)
	t.bytes.Add(s.Size)
	previous := after
	if err == nil {
		_, previous, err = dictionary.Describe(ctx, t.o.Store, s.Key, s.Size)
	}
	problem := Problem{Partition: -1, File: s.Key}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, blob.ErrNotFound):
		problem.Kind, problem.Message = FileMissing, "the store has no such object"
	case dictionary.IsDamaged(err):
		problem.Kind, problem.Message = FileChanged, err.Error()
	case err != nil:
		return err
	case previous != after:
		problem.Kind, problem.Message = DictionarySlices, fmt.Sprintf("it says that %q is before it, the catalog has %q there", previous, after)
	default:
		t.count(func(out *TableReport) { out.DictionarySlices++ })
		return nil
	}
	t.add(problem)
	return nil
}

// foreignSlice says why an input can be no slice of this table's dictionaries; "": it is one.
func (c *cubeRun) foreignSlice(in segmenter.Input) string {
	switch s, ok := c.slices[in.Key]; {
	case !ok:
		return fmt.Sprintf("its ids are from %s, which is not a slice of a dictionary of this table", in.Key)
	case !c.isWrong(in.Key) && (s.Size != in.Size || s.SHA256 != in.SHA256 || s.Values != in.Records):
		return fmt.Sprintf("its dictionary %s has %d bytes, %d values and SHA-256 %s, the catalog says %d, %d and %s",
			in.Key, in.Size, in.Records, in.SHA256, s.Size, s.Values, s.SHA256)
	}
	return ""
}
