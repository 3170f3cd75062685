package catalog

import (
	"context"
	"testing"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// ChangedSince sees a change in its range and after its number only, and leaves no mark.
func TestChangedSince(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		cubeID, table, epoch := cubed(t, c)
		if err := c.Commit(ctx, staged(table, epoch, rng(0, 0, 10), 3)); err != nil {
			t.Fatal(err)
		}
		before, err := c.TableChange(ctx, table)
		if err != nil {
			t.Fatal(err)
		}
		published(t, c, cubeID, rng(0, 0, 10))
		s := Supplement{TableID: table, Requeue: 1, Range: rng(0, 3, 4), Offsets: []int64{3}, File: &File{Key: table + "/s", Records: 1}}
		if err := c.CommitSupplement(ctx, s); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			since int64
			r     segmenter.PartitionRange
			want  bool
		}{{before, rng(0, 0, 10), true}, {before, rng(0, 10, 20), false}, {before, rng(1, 0, 10), false}, {before + 1, rng(0, 0, 10), false}} {
			got, err := c.ChangedSince(ctx, table, tt.since, segmenter.Vector{tt.r})
			if err != nil || got != tt.want {
				t.Errorf("changed since %d in %s: got %t, %v, want %t", tt.since, tt.r, got, err, tt.want)
			}
		}
		if e, err := c.Segment(ctx, cubeID, 1); err != nil || e.Stale {
			t.Errorf("segment after a look: stale %t, %v, want no mark", e.Stale, err)
		}
	})
}
