package builder

import (
	"encoding/json"
	"slices"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// mixedNote is the note of a merged segment whose parts were built from different states of one ledger row, before and
// after a requeue: its inputs, which are those of all parts, do not show that it must be refreshed.
const mixedNote = "mixed_inputs"

func noteMixed(m *segmenter.Manifest) { m.Notes = segmenter.Notes{mixedNote: json.RawMessage("true")} }

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
