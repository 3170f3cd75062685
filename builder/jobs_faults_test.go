//go:build !race

// Each fault is a scenario of its own, one call after another: the race detector makes it ten times slower and sees no more than
// in one.

package builder_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/blob/faultblob"
)

// watched calls check before each object is created.
type watched struct {
	blob.Store
	check func(key string)
}

func (w *watched) Create(ctx context.Context, key string, body io.Reader) error {
	w.check(key)
	return w.Store.Create(ctx, key, body)
}

// B4, L5: a store that fails at any call of a build, a refresh or a merge, before or after it took effect, gives no segment that is seen
// in part: it is new until all of it is there, what it replaces is ready until then, and the next attempt ends in the same cells.
func TestStoreFaultsOfJobs(t *testing.T) {
	scenario := func(st func(s *builder.Site) blob.Store) (ready []string, hashes []string) {
		s := builder.NewSite(t, byHand)
		s.Retype("  - {name: n, type: string}\n")
		s.Measure("[count, count_distinct_exact(n)]", byHand)
		s.Stage(0, 6)
		s.Lose(6, 8)
		s.Stage(8, 12)
		store := st(s)
		b := s.Builder(store, engine(t, s, store))
		build(t, s, b, 0, 5)
		build(t, s, b, 5, 12)
		_, err := b.Merge(t.Context(), builder.MergeRequest{Request: s.Request(), Choice: builder.Choice{Segments: []int64{1, 2}}})
		must(t, err)
		s.Run(b)
		for _, c := range s.Manifest(3).Cuboids {
			hashes = append(hashes, c.SHA256)
		}
		return s.Segments(), hashes
	}
	wantReady, want := scenario(func(s *builder.Site) blob.Store { return s.Store() })
	for _, after := range []bool{false, true} {
		for at := 0; ; at++ {
			var fault *faultblob.Store
			ready, got := scenario(func(s *builder.Site) blob.Store {
				fault = &faultblob.Store{Store: s.Store(), At: at, After: after, Err: blob.ErrUnavailable}
				return &watched{fault, func(key string) {
					for _, line := range s.Segments() {
						ok := strings.Contains(line, " new ") || strings.Contains(line, " ready ")
						if number, _, _ := strings.Cut(line, " "); strings.HasPrefix(line, "3 ready") || !ok {
							t.Errorf("fault %d (after=%t): segment %s is %q while %s is written", at, after, number, line, key)
						}
					}
				}}
			})
			if d := cmp.Diff(wantReady, ready); d != "" {
				t.Errorf("fault %d (after=%t): segments (-want +got):\n%s", at, after, d)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("fault %d (after=%t): cuboids (-want +got):\n%s", at, after, d)
			}
			if !fault.Fired() {
				break
			}
		}
	}
}
