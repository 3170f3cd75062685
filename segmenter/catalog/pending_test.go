package catalog

import (
	"context"
	"errors"
	"testing"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// Pending counts rows that reach into the range, and tells when the first of them was committed.
func TestPending(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		_, table, epoch := cubed(t, c)
		read := func(v ...segmenter.PartitionRange) Pending {
			t.Helper()
			p, err := c.Pending(ctx, table, v)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		if p := read(rng(0, 0, 10)); p != (Pending{}) {
			t.Errorf("nothing committed: got %+v", p)
		}
		var sizes []int64
		for _, r := range []segmenter.PartitionRange{rng(0, 0, 10), rng(0, 10, 20), rng(0, 20, 30)} {
			m := staged(table, epoch, r)
			sizes = append(sizes, m.File.Size)
			mustCommit(t, c, m)
		}
		first, second := read(rng(0, 5, 30)), read(rng(0, 10, 30))
		if first.Bytes != sizes[0]+sizes[1]+sizes[2] || second.Bytes != sizes[1]+sizes[2] {
			t.Errorf("bytes: got %d and %d of files of %d", first.Bytes, second.Bytes, sizes)
		}
		if first.SinceUs == 0 || second.SinceUs < first.SinceUs {
			t.Errorf("since: got %d and %d, want them ascending", first.SinceUs, second.SinceUs)
		}
		if p := read(rng(0, 30, 30), rng(0, 40, 50)); p != (Pending{}) {
			t.Errorf("behind the end: got %+v", p)
		}
	})
}

// An empty catalog takes another's id for good; one that holds anything does not.
func TestAdoptID(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		if err := c.AdoptID(ctx, ""); err == nil {
			t.Error("no id was adopted")
		}
		if err := c.AdoptID(ctx, "other"); err != nil || c.ID() != "other" {
			t.Fatalf("adopt: %v, id %s", err, c.ID())
		}
		if again := openAt(t, dsn); again.ID() != "other" {
			t.Errorf("opened again: got id %s, want other", again.ID())
		}
		applied(t, c, "views")
		var conflict *ConflictError
		if err := c.AdoptID(ctx, "third"); !errors.As(err, &conflict) || c.ID() != "other" {
			t.Errorf("a full catalog: got %v, id %s", err, c.ID())
		}
	})
}
