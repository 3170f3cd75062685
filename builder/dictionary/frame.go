package dictionary

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/zeebo/xxh3"

	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Parts of a file. docs/format/dictionary.md has the bytes.
const (
	magic        = "TMDICT1\n" // first and last in the file
	tailBytes    = 8 + len(magic)
	frameGuard   = 4 + 8          // length before and hash behind the payload
	frameTarget  = 32 << 10       // bytes of payload after which a frame ends
	maxValue     = 16 << 20       // bytes of a value
	maxFrame     = 2*maxValue + 1 // bytes of payload: one value may come just before the target
	formatNumber = 1
	writerName   = "tidemark version 1 (dictionary)"
	maxValues    = catalog.MaxDictionaryValues
)

// Footer says what a file holds.
type Footer struct {
	FormatVersion int    `json:"format_version"`
	Writer        string `json:"writer"`
	TableID       string `json:"table_id"`
	Column        string `json:"column"`
	First         int64  `json:"first_slice,omitempty"` // of a pack, which has slices First to Slice; 0: it is one slice
	Slice         int64  `json:"slice"`                 // counts from 1
	Previous      string `json:"previous_sha256"`       // of slice Slice-1, "" in the first; of a pack that of slice Slice
	FirstID       int64  `json:"first_id"`
	Values        int64  `json:"values"`
	Frames        int64  `json:"frames"`       // of values
	IndexOffset   int64  `json:"index_offset"` // where those end and the index begins
}

// errDamaged is in the chain of what no writer has written.
var errDamaged = errors.New("the file is damaged")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errDamaged, fmt.Sprintf(format, args...))
}

// appendFrame appends length, payload and hash.
func appendFrame(b, payload []byte) []byte {
	start := len(b)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	b = append(b, payload...)
	return binary.LittleEndian.AppendUint64(b, xxh3.Hash(b[start:]))
}

// openFrame returns the payload of a frame that is the whole of b.
func openFrame(b []byte) ([]byte, error) {
	if len(b) < frameGuard || int64(binary.LittleEndian.Uint32(b)) != int64(len(b)-frameGuard) {
		return nil, damaged("a frame of %d bytes says another length", len(b))
	}
	body, sum := b[:len(b)-8], b[len(b)-8:]
	if binary.LittleEndian.Uint64(sum) != xxh3.Hash(body) {
		return nil, damaged("the hash of a frame of %d bytes is not that of its bytes", len(b))
	}
	return body[4:], nil
}

// uvarint takes a number off the front of b; ok is false where there is none in as few bytes as it needs.
func uvarint(b []byte) (v uint64, rest []byte, ok bool) {
	v, n := binary.Uvarint(b)
	if n <= 0 || (n > 1 && b[n-1] == 0) {
		return 0, nil, false
	}
	return v, b[n:], true
}

// appendEntry appends a value and its id, as what differs from the entry before in the frame.
func appendEntry(b, previous []byte, previousID int64, value []byte, id int64) []byte {
	shared := commonPrefix(previous, value)
	b = binary.AppendUvarint(b, uint64(shared))
	b = binary.AppendUvarint(b, uint64(len(value)-shared))
	b = append(b, value[shared:]...)
	d := id - previousID - 1
	return binary.AppendUvarint(b, uint64(d<<1)^uint64(d>>63))
}

// takeEntry undoes appendEntry: value holds the one before and becomes the next one; first says that there is none before.
// It refuses an entry that does not ascend.
func takeEntry(b, value []byte, previousID int64, first bool) (rest, next []byte, id int64, err error) {
	shared, b, ok1 := uvarint(b)
	size, b, ok2 := uvarint(b)
	if !ok1 || !ok2 || shared > uint64(len(value)) || size > uint64(len(b)) || shared+size > maxValue {
		return nil, nil, 0, damaged("an entry is cut off")
	}
	if !first && (size == 0 || shared < uint64(len(value)) && b[0] <= value[shared]) {
		return nil, nil, 0, damaged("values are not in order")
	}
	value = append(value[:shared], b[:size]...)
	z, b, ok := uvarint(b[size:])
	id = previousID + 1 + (int64(z>>1) ^ -int64(z&1))
	if !ok || id < 0 || id >= maxValues {
		return nil, nil, 0, damaged("an entry has the id %d", id)
	}
	return b, value, id, nil
}

func commonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// indexEntry is what the index says of a frame of values.
type indexEntry struct {
	least   []byte // no value of the frame is below it, all of earlier frames are
	values  int64
	payload int64 // bytes
}

func (e indexEntry) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(e.least)))
	b = append(b, e.least...)
	b = binary.AppendUvarint(b, uint64(e.values))
	return binary.AppendUvarint(b, uint64(e.payload))
}

func takeIndex(b []byte) (e indexEntry, rest []byte, err error) {
	size, b, ok := uvarint(b)
	if !ok || size > uint64(len(b)) {
		return e, nil, damaged("an entry of the index is cut off")
	}
	e.least, b = b[:size], b[size:]
	values, b, ok1 := uvarint(b)
	payload, b, ok2 := uvarint(b)
	if !ok1 || !ok2 || values == 0 || values > uint64(maxValues) || payload == 0 || payload > maxFrame {
		return e, nil, damaged("the index has a frame with %d values in %d bytes", values, payload)
	}
	e.values, e.payload = int64(values), int64(payload)
	return e, b, nil
}

func (f *Footer) encode() ([]byte, error) { return json.Marshal(f) }

// decodeFooter refuses what encode would not have written. end is where the footer begins.
func decodeFooter(text []byte, end int64) (*Footer, error) {
	f := new(Footer)
	if err := json.Unmarshal(text, f); err != nil {
		return nil, damaged("footer: %v", err)
	}
	if f.FormatVersion != formatNumber {
		return nil, fmt.Errorf("the file has format version %d, this program reads %d: use the program that wrote it, or a newer one",
			f.FormatVersion, formatNumber)
	}
	if again, err := f.encode(); err != nil || string(again) != string(text) {
		return nil, damaged("its footer has other fields than those of version %d", formatNumber)
	}
	switch {
	case f.Slice < 1 || f.FirstID < 0 || f.Values < 1 || f.Values > maxValues || f.FirstID > maxValues-f.Values:
		return nil, damaged("slice %d has %d values from id %d", f.Slice, f.Values, f.FirstID)
	case f.First < 0 || f.First > 0 && (f.First >= f.Slice || f.Previous == "" || (f.First == 1) != (f.FirstID == 0)):
		return nil, damaged("a pack of slices %d to %d has %d values from id %d and the hash %q", f.First, f.Slice, f.Values, f.FirstID, f.Previous)
	case f.First == 0 && ((f.Slice == 1) != (f.Previous == "") || (f.Slice == 1) != (f.FirstID == 0)):
		return nil, damaged("slice %d has %d values from id %d and %q before it", f.Slice, f.Values, f.FirstID, f.Previous)
	case f.Previous != "" && !isHash(f.Previous):
		return nil, damaged("the hash of the slice before is %q", f.Previous)
	case f.Frames < 1 || f.Frames > f.Values:
		return nil, damaged("%d values are in %d frames", f.Values, f.Frames)
	case f.IndexOffset < int64(len(magic)) || f.IndexOffset >= end:
		return nil, damaged("its index of %d frames is at byte %d of %d", f.Frames, f.IndexOffset, end)
	}
	return f, nil
}
