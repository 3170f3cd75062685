//go:build !race

// Much data, and no goroutines that other tests do not have: the stage race runs these without the detector.

package verify_test

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/internal/verify"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// A manifest whose byte is flipped, wherever, is either unreadable or says another thing than the catalog.
func TestEveryByteOfAManifestCounts(t *testing.T) {
	s, _, folders := builtSite(t, "parquet")
	key := folders[1] + "/" + segmenter.ManifestName
	data, err := os.ReadFile(s.path(key))
	must(t, err)
	kinds := []verify.Kind{
		verify.ManifestUnreadable, verify.ManifestMismatch, verify.SegmentInputs,
		verify.FileMissing, verify.FileChanged, verify.SegmentExtra, // where it names another file, or says another thing of it
		verify.CuboidMismatch, verify.CuboidLattice,
	}
	for at := 0; at < len(data); at += 29 { // each costs a proof
		bad := bytes.Clone(data)
		bad[at] ^= 0x01
		must(t, os.WriteFile(s.path(key), bad, 0o600))
		r := s.verify(func(o *verify.Options) { o.SecondReader = -1 })
		if r.OK {
			t.Errorf("byte %d of %q is not found", at, around(data, at))
			continue
		}
		if p := r.Problems[0]; !strings.HasPrefix(p.File, "segments/") || p.Segment != 4 || !slices.Contains(kinds, p.Kind) {
			t.Errorf("byte %d of %q: %s", at, around(data, at), p)
		}
	}
}

func around(data []byte, at int) string { return string(data[max(0, at-20):min(len(data), at+20)]) }
