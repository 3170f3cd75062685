package segmenter

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// ManifestVersion is the format version that this code writes and reads. docs/format/manifest.md has the fields.
const ManifestVersion = 1

// Manifest is manifest.json, the last file written into a segment's folder. With the staged files it names it says all
// that the catalog knows of the segment, so that the catalog can be rebuilt from files (S10).
type Manifest struct {
	FormatVersion int    `json:"format_version"`
	Writer        string `json:"writer"` // program and version that wrote it
	Project       string `json:"project"`
	Cube          string `json:"cube"` // its name at the time; folders carry the id
	CubeID        string `json:"cube_id"`
	TableID       string `json:"table_id"`

	DefinitionVersion int             `json:"definition_version"`
	Definition        json.RawMessage `json:"definition"` // whole, as the catalog keeps it

	SegmentID string        `json:"segment_id"` // ContentID
	Number    int64         `json:"number"`
	Attempt   int64         `json:"attempt"`
	Reason    string        `json:"reason"`
	CreatedUs int64         `json:"created_us"` // when the segment was reserved
	Range     Vector        `json:"range"`
	Parts     []PartMeasure `json:"parts"` // one per line of Range
	Measure   Measure       `json:"measure"`
	Replaces  []Replaced    `json:"replaces"`
	Inputs    []Input       `json:"inputs"`  // ascending by key
	Files     []SegmentFile `json:"files"`   // ascending by key; finished files of earlier attempts may be among them
	Cuboids   []CuboidEntry `json:"cuboids"` // ascending by cuboid; none: the staged files answer
	Stored    *StoredTable  `json:"stored"`  // null: cuboids are in files
	Notes     Notes         `json:"notes"`   // what a reader may pass over without harm
}

// Notes are the one place where a writer may add fields without a new format version.
type Notes map[string]json.RawMessage

// Replaced names a segment that the manifest's one takes the place of.
type Replaced struct {
	Number    int64  `json:"number"`
	SegmentID string `json:"segment_id"`
}

// InputKind says what a file was to a build.
type InputKind string

// The kinds of inputs. Lookups and dictionaries are versions as read at the end of the build.
const (
	InputStaged     InputKind = "staged"
	InputSupplement InputKind = "supplement"
	InputLedger     InputKind = "ledger" // a lost or skipped range
	InputLookup     InputKind = "lookup"
	InputDictionary InputKind = "dictionary"
)

// Input is a file that a segment was built from.
type Input struct {
	Kind    InputKind `json:"kind"`
	Key     string    `json:"key"`
	Size    int64     `json:"size"`
	SHA256  string    `json:"sha256"`
	Records int64     `json:"records"` // in the whole file, of which the segment may hold a part
}

// SegmentFile is a file that a build wrote.
type SegmentFile struct {
	Key    string `json:"key"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// CuboidEntry says where a cuboid is, and how large.
type CuboidEntry struct {
	Cuboid int64         `json:"cuboid"` // bit set of dimensions
	Rows   int64         `json:"rows"`
	Bytes  int64         `json:"bytes"`
	SHA256 string        `json:"sha256"` // of its rows in row-key order, whatever files they are in
	Pieces []CuboidPiece `json:"pieces"` // none if the cuboid is in a StoredTable
}

// CuboidPiece is a run of row groups [First, First+Count) in one of Files.
type CuboidPiece struct {
	File  int `json:"file"` // index in Files
	First int `json:"first"`
	Count int `json:"count"`
}

// StoredTable names the table of another store that holds the cuboids.
type StoredTable struct {
	Store string `json:"store"` // "hbase"
	Table string `json:"table"`
	Rows  int64  `json:"rows"`
}

// ContentID returns the segment's id: hex of the sha256 over what it was built from. Two builds of the same inputs by
// the same writer have one id, whichever attempt they are. docs/format/manifest.md has the bytes.
func (m *Manifest) ContentID() string {
	h := sha256.New()
	m.writeContent(h)
	return hex.EncodeToString(h.Sum(nil))
}

// writeContent writes to something that cannot fail: a hash, or a buffer in tests.
func (m *Manifest) writeContent(w io.Writer) {
	line := func(words ...string) { io.WriteString(w, strings.Join(words, " ")+"\n") }
	// Lengths come first, so that no two lists of texts have the same bytes.
	text := func(s string) string { return strconv.Itoa(len(s)) + ":" + s }
	line("tidemark-segment-id", strconv.Itoa(m.FormatVersion))
	line("writer", text(m.Writer))
	line("cube", text(m.CubeID), strconv.Itoa(m.DefinitionVersion))
	for _, r := range m.Range {
		line("range", strconv.Itoa(int(r.Partition)), strconv.Itoa(int(r.Generation)),
			strconv.FormatInt(r.Start, 10), strconv.FormatInt(r.End, 10))
	}
	for _, in := range m.Inputs {
		line("input", text(string(in.Kind)), text(in.Key), text(in.SHA256))
	}
}

// SegmentFolder returns the folder of one attempt at a segment, relative to the store's root, without a slash behind.
func SegmentFolder(cubeID, segmentID string, attempt int64) string {
	return fmt.Sprintf("segments/%s/%s.%d", cubeID, segmentID, attempt)
}

// ManifestName is the manifest's name in its folder.
const ManifestName = "manifest.json"

// ParseSegmentFolder reads what SegmentFolder returns, or the key of a file below it; rest is the file's name there.
func ParseSegmentFolder(key string) (cubeID, segmentID string, attempt int64, rest string, err error) {
	parts := strings.SplitN(key, "/", 4)
	bad := fmt.Errorf("%q is not in a segment's folder: want segments/CUBE/ID.ATTEMPT", key)
	if len(parts) < 3 || parts[0] != "segments" || parts[1] == "" {
		return "", "", 0, "", bad
	}
	id, n, _ := strings.Cut(parts[2], ".")
	attempt, perr := strconv.ParseInt(n, 10, 64)
	if perr != nil || attempt < 0 || !isHash(id) || strconv.FormatInt(attempt, 10) != n {
		return "", "", 0, "", bad
	}
	if len(parts) == 4 {
		if rest = parts[3]; rest == "" {
			return "", "", 0, "", bad
		}
	}
	return parts[1], id, attempt, rest, nil
}

// isHash reports whether s is the hex form of a sha256, in lower case.
func isHash(s string) bool {
	if len(s) != 2*sha256.Size {
		return false
	}
	return strings.Trim(s, "0123456789abcdef") == ""
}
