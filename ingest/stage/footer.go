package stage

import (
	"encoding/json"
	"fmt"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// FormatVersion is the version of all file formats of this package.
const FormatVersion = 1

// WriterVersion names the writer in footers and in the Parquet field created_by.
const WriterVersion = "tidemark version 1 (build stage)"

// Footer stands in every staged and supplement file: the range and what became of each of its offsets.
type Footer struct {
	FormatVersion int                      `json:"format_version"` // set by Encode
	Writer        string                   `json:"writer"`         // set by Encode
	Project       string                   `json:"project"`
	Table         string                   `json:"table"`
	TableID       string                   `json:"table_id"`
	Topic         string                   `json:"topic"`
	Schema        int                      `json:"schema"`
	Range         segmenter.PartitionRange `json:"range"`
	Epoch         int64                    `json:"epoch"`
	Requeue       int64                    `json:"requeue,omitempty"` // supplements only
	Events        int64                    `json:"events"`
	Exceptions    segmenter.Exceptions     `json:"exceptions,omitempty"`
	MinTimeUs     int64                    `json:"min_time_us"` // set by Encode; measured event time, closed; meaningless when Events is 0
	MaxTimeUs     int64                    `json:"max_time_us"` // set by Encode
	RowHash       Hash                     `json:"row_hash"`    // set by Encode
}

// json returns the form that stands in files.
func (f Footer) json() ([]byte, error) { return json.Marshal(f) }

// parseFooter reads the JSON form of a footer.
func parseFooter(text []byte) (Footer, error) {
	var f Footer
	if err := json.Unmarshal(text, &f); err != nil {
		return Footer{}, fmt.Errorf("footer: %w", err)
	}
	if f.FormatVersion != FormatVersion {
		return Footer{}, fmt.Errorf("footer: format version %d, this program reads %d: use the tidemark that wrote it (%s) or a newer one",
			f.FormatVersion, FormatVersion, f.Writer)
	}
	if err := f.Range.Validate(); err != nil {
		return Footer{}, fmt.Errorf("footer: %w", err)
	}
	if f.Events < 0 {
		return Footer{}, fmt.Errorf("footer: %d events", f.Events)
	}
	if len(f.Exceptions) == 0 {
		f.Exceptions = nil // "[]" and no field are the same
	}
	return f, nil
}
