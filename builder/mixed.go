package builder

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// mixedNote is the note of a merged segment whose parts were built from different states of one ledger row, before and
// after a requeue: its inputs, which are those of all parts, do not show that it must be refreshed.
const mixedNote = "mixed_inputs"

// builtNote is the note of a segment that an engine has seen: one without it and without cuboids is bare.
const builtNote = "built"

func note(m *segmenter.Manifest, name string) {
	if m.Notes == nil {
		m.Notes = segmenter.Notes{}
	}
	m.Notes[name] = json.RawMessage("true")
}

func noteMixed(m *segmenter.Manifest) { note(m, mixedNote) }

// isBare reports whether a segment has no cuboids because no engine was there when it was built. One whose engine made none
// has what it can have.
func isBare(m *segmenter.Manifest) bool {
	return len(m.Cuboids) == 0 && string(m.Notes[builtNote]) != "true"
}

// bareMerge reports whether segments without cuboids are merged: then the merged one has none either, until it is refreshed.
// With and without cuboids they do not go together, as those that are there would be lost.
func bareMerge(merged []*segmenter.Manifest) (bool, error) {
	bare := slices.DeleteFunc(slices.Clone(merged), func(m *segmenter.Manifest) bool { return !isBare(m) })
	if len(bare) > 0 && len(bare) < len(merged) {
		return false, &FinalError{fmt.Errorf("segment %d has no cuboids and cannot be merged with segments that have: refresh it first", bare[0].Number)}
	}
	return len(bare) > 0, nil
}

func isMixed(m *segmenter.Manifest) bool { return string(m.Notes[mixedNote]) == "true" }

// mixed reports whether two manifests share a ledger row and disagree about its supplements, or one of them is mixed.
func mixed(list []*segmenter.Manifest) bool {
	seen := map[string][]string{} // supplements of a staged file's row, by its key
	for _, m := range list {
		if isMixed(m) {
			return true
		}
		var supplements []stage.KeyInfo
		for _, in := range m.Inputs {
			if k, err := stage.ParseKey(in.Key); err == nil && k.Kind == stage.SupplementFile {
				supplements = append(supplements, k)
			}
		}
		for _, in := range m.Inputs {
			k, err := stage.ParseKey(in.Key)
			if err != nil || k.Kind != stage.StagedFile {
				continue
			}
			var here []string
			for _, s := range supplements {
				if s.Range.Overlaps(k.Range) {
					here = append(here, s.Key())
				}
			}
			if before, ok := seen[in.Key]; ok && !slices.Equal(before, here) {
				return true
			}
			seen[in.Key] = here
		}
	}
	return false
}
