package stage

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// KeyKind says what a key of the store names.
type KeyKind string

// The kinds of keys this package makes.
const (
	StagedFile     KeyKind = "staged"
	SupplementFile KeyKind = "supplement"
	QuarantineFile KeyKind = "quarantine"
	LedgerFile     KeyKind = "ledger"
)

// KeyInfo is what a key says (F5). What a kind's keys do not hold is zero.
type KeyInfo struct {
	Kind    KeyKind
	TableID string
	Range   segmenter.PartitionRange
	Epoch   int64              // staged, quarantine
	Schema  int                // staged
	Requeue int64              // supplement
	Format  cube.Format        // staged, supplement
	State   segmenter.RowState // ledger: lost or skipped
}

// StagedKey returns the key of the staged file of a range.
func StagedKey(tableID string, r segmenter.PartitionRange, epoch int64, schema int, f cube.Format) string {
	return KeyInfo{Kind: StagedFile, TableID: tableID, Range: r, Epoch: epoch, Schema: schema, Format: f}.Key()
}

// SupplementKey returns the key of the file of a range's requeued offsets.
func SupplementKey(tableID string, r segmenter.PartitionRange, requeue int64, f cube.Format) string {
	return KeyInfo{Kind: SupplementFile, TableID: tableID, Range: r, Requeue: requeue, Format: f}.Key()
}

// QuarantineKey returns the key of the file of a range's unreadable records.
func QuarantineKey(tableID string, r segmenter.PartitionRange, epoch int64) string {
	return KeyInfo{Kind: QuarantineFile, TableID: tableID, Range: r, Epoch: epoch}.Key()
}

// LedgerKey returns the key of the file that records a lost or skipped range.
func LedgerKey(tableID string, r segmenter.PartitionRange, state segmenter.RowState) string {
	return KeyInfo{Kind: LedgerFile, TableID: tableID, Range: r, State: state}.Key()
}

// Suffixes of the staging formats.
const (
	parquetSuffix = ".parquet"
	ndjsonSuffix  = ".ndjson.zst"
)

func suffixOf(f cube.Format) string {
	if f == cube.NDJSON {
		return ndjsonSuffix
	}
	return parquetSuffix
}

// Key returns the key that k describes.
func (k KeyInfo) Key() string {
	dir, pre := string(k.Kind), ""
	if k.Kind == SupplementFile {
		dir, pre = string(StagedFile), "supplement-"
	}
	name := fmt.Sprintf("%s/%s/%d/%s%020d-%020d.g%d", dir, k.TableID, k.Range.Partition, pre, k.Range.Start, k.Range.End, k.Range.Generation)
	switch k.Kind {
	case SupplementFile:
		return fmt.Sprintf("%s.r%d%s", name, k.Requeue, suffixOf(k.Format))
	case QuarantineFile:
		return fmt.Sprintf("%s.e%d%s", name, k.Epoch, ndjsonSuffix)
	case LedgerFile:
		return fmt.Sprintf("%s.%s.json", name, k.State)
	}
	return fmt.Sprintf("%s.e%d.v%d%s", name, k.Epoch, k.Schema, suffixOf(k.Format))
}

// ParseKey takes a key apart. A key that this package would not make is an error.
func ParseKey(key string) (KeyInfo, error) {
	k, err := parseKey(key)
	if err != nil {
		return KeyInfo{}, fmt.Errorf("key %s: %w", key, err)
	}
	if err := k.Range.Validate(); err != nil {
		return KeyInfo{}, fmt.Errorf("key %s: %w", key, err)
	}
	if got := k.Key(); got != key {
		return KeyInfo{}, fmt.Errorf("key %s: want it spelled %s", key, got)
	}
	return k, nil
}

func parseKey(key string) (k KeyInfo, err error) {
	parts := strings.Split(key, "/")
	if len(parts) != 4 || parts[1] == "" {
		return k, fmt.Errorf("want kind/table/partition/name")
	}
	k.Kind, k.TableID = KeyKind(parts[0]), parts[1]
	p, err := strconv.ParseInt(parts[2], 10, 32)
	if err != nil {
		return k, fmt.Errorf("partition %q is no number", parts[2])
	}
	k.Range.Partition = int32(p)
	name := parts[3]
	if k.Kind == StagedFile {
		if rest, ok := strings.CutPrefix(name, "supplement-"); ok {
			k.Kind, name = SupplementFile, rest
		}
	}
	rng, rest, _ := strings.Cut(name, ".")
	start, end, _ := strings.Cut(rng, "-")
	if k.Range.Start, err = strconv.ParseInt(start, 10, 64); err != nil {
		return k, fmt.Errorf("start offset %q is no number", start)
	}
	if k.Range.End, err = strconv.ParseInt(end, 10, 64); err != nil {
		return k, fmt.Errorf("end offset %q is no number", end)
	}
	return k, k.parseTail(rest)
}

// parseTail reads what stands behind the offsets: "g0.e1.v2.parquet", "g0.lost.json".
func (k *KeyInfo) parseTail(tail string) error {
	gen, tail, _ := strings.Cut(tail, ".")
	g, err := tagged(gen, 'g', 32)
	if err != nil {
		return err
	}
	k.Range.Generation = int32(g)
	tag, tail, _ := strings.Cut(tail, ".")
	switch k.Kind {
	case LedgerFile:
		k.State = segmenter.RowState(tag)
		if k.State != segmenter.Lost && k.State != segmenter.Skipped {
			return fmt.Errorf("state %q: want lost or skipped", tag)
		}
		return nil
	case SupplementFile:
		k.Requeue, err = tagged(tag, 'r', 64)
	case QuarantineFile:
		k.Epoch, err = tagged(tag, 'e', 64)
	case StagedFile:
		if k.Epoch, err = tagged(tag, 'e', 64); err != nil {
			return err
		}
		tag, tail, _ = strings.Cut(tail, ".")
		var v int64
		v, err = tagged(tag, 'v', 32)
		k.Schema = int(v)
	default:
		return fmt.Errorf("kind %q: want staged, quarantine or ledger", k.Kind)
	}
	if k.Kind != QuarantineFile {
		k.Format = cube.Parquet
		if "."+tail == ndjsonSuffix {
			k.Format = cube.NDJSON
		}
	}
	return err
}

// tagged reads a number behind a letter: "e12".
func tagged(s string, tag byte, bits int) (int64, error) {
	if len(s) < 2 || s[0] != tag {
		return 0, fmt.Errorf("%q: want %c and a number", s, tag)
	}
	n, err := strconv.ParseInt(s[1:], 10, bits)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q: want %c and a number", s, tag)
	}
	return n, nil
}
