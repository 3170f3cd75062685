package segmenter

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// DroppedName is the name of the marker that says of its folder that what is in it was given up: the folder of a segment, or
// that of a cube's or table's definitions. docs/format/dropped.md has its fields.
const DroppedName = "dropped.json"

// droppedVersion is the version of a marker that this code writes.
const droppedVersion = 1

// Dropped is a marker: what lies in its folder was given up. That it is there is what counts, whatever is in it.
type Dropped struct {
	FormatVersion int    `json:"format_version"`
	Kind          string `json:"kind"` // segment, cube, table
	ID            string `json:"id"`   // of the segment (its hash), the cube or the table
	Number        int64  `json:"number,omitempty"`
	Reason        string `json:"reason,omitempty"`
	RetiredUs     int64  `json:"retired_us,omitempty"`
	// Front is where the segment's cube began when this was written.
	Front json.RawMessage `json:"front,omitempty"`
	// SHA256 is that of the text without this field; markers of older programs have none.
	SHA256 string `json:"sha256,omitempty"`
}

// Encode returns the bytes of a marker, with version and hash.
func (d Dropped) Encode() ([]byte, error) {
	d.FormatVersion, d.SHA256 = droppedVersion, ""
	text, err := d.text()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	d.SHA256 = hex.EncodeToString(sum[:])
	return d.text()
}

func (d Dropped) text() ([]byte, error) {
	text, err := json.MarshalIndent(d, "", "  ")
	return append(text, '\n'), err
}

// Decode reads a marker and holds it against its hash. An error means that its bytes are not what was written.
func (d *Dropped) Decode(text []byte) error {
	*d = Dropped{}
	if err := json.Unmarshal(text, d); err != nil {
		return err
	}
	same, err := d.text()
	if err != nil {
		return err
	}
	if !bytes.Equal(same, text) {
		return errors.New("it is not spelled as a marker is")
	}
	if d.SHA256 == "" {
		return nil
	}
	bare := *d
	bare.SHA256 = ""
	if text, err = bare.text(); err != nil {
		return err
	}
	if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != d.SHA256 {
		return fmt.Errorf("it has not the SHA-256 %s that it says", d.SHA256)
	}
	return nil
}
