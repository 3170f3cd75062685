package lookup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Prefix is where all snapshots lie in a store.
const Prefix = "lookups/"

// metaKey is the footer's entry with the definition: names, types and their order.
const metaKey = "tidemark.lookup"

// Key returns lookups/<id>/<version>.<sha256>.parquet.
func Key(id string, version int64, sum string) string {
	return fmt.Sprintf("%s%s/%010d.%s.parquet", Prefix, id, version, sum)
}

// ParseKey takes a key apart. A key that Key would not make is an error.
func ParseKey(key string) (id string, version int64, sum string, err error) {
	parts := strings.Split(key, "/")
	if len(parts) == 3 {
		number, rest, _ := strings.Cut(parts[2], ".")
		sum = strings.TrimSuffix(rest, ".parquet")
		version, err = strconv.ParseInt(number, 10, 64)
		if id = parts[1]; err == nil && version > 0 && id != "" && len(sum) == 64 && Key(id, version, sum) == key {
			return id, version, sum, nil
		}
	}
	return "", 0, "", fmt.Errorf("key %s: want %sID/VERSION.SHA256.parquet", key, Prefix)
}

// Snapshot is a lookup table as it is stored.
type Snapshot struct {
	Lookup *cube.Lookup // without id and version
	Rows   int64
	Bytes  []byte
	SHA256 string

	t *table
}

// Read makes a snapshot of a file. What is wrong with the file is a *FileError, what is wrong with names and types a
// *cube.DefinitionError.
func Read(s Source, text []byte) (*Snapshot, error) {
	if len(text) > MaxBytes {
		return nil, wrong(0, 0, "the file has %d bytes: a lookup table is made of at most %d", len(text), MaxBytes)
	}
	var t *table
	var err error
	switch s.Format {
	case "csv":
		t, err = readCSV(s, text)
	case "parquet":
		t, err = readParquet(s, text)
	default:
		return nil, wrong(0, 0, "format %q: want csv, parquet or query", s.Format)
	}
	if err != nil {
		return nil, err
	}
	if err := t.sort(); err != nil {
		return nil, &FileError{Err: err}
	}
	return t.encode()
}

func (t *table) encode() (*Snapshot, error) {
	meta, err := json.Marshal(t.def)
	if err != nil {
		return nil, err
	}
	group := parquet.Group{}
	for i, c := range t.def.Columns {
		n := parquet.Compressed(node(t.kind[i]), &zstd.Codec{})
		if c.Name != t.def.Key {
			n = parquet.Optional(n)
		}
		group[c.Name] = n
	}
	schema := parquet.NewSchema("lookup", group)
	at := make([]int, len(t.def.Columns)) // place in the file of each column: a group sorts its fields
	for i, c := range t.def.Columns {
		leaf, _ := schema.Lookup(c.Name)
		at[i] = leaf.ColumnIndex
	}
	var b bytes.Buffer
	w := parquet.NewWriter(&b, schema, parquet.CreatedBy("tidemark", "1", "lookup"), parquet.KeyValueMetadata(metaKey, string(meta)))
	out := make(parquet.Row, len(at))
	for _, r := range t.rows {
		for i, v := range r.values {
			level := 0
			if t.def.Columns[i].Name != t.def.Key && !v.IsNull() {
				level = 1
			}
			out[at[i]] = v.Level(0, level, at[i])
		}
		if _, err := w.WriteRows([]parquet.Row{out}); err != nil {
			return nil, fmt.Errorf("write snapshot: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("write snapshot: %w", err)
	}
	sum := sha256.Sum256(b.Bytes())
	return &Snapshot{Lookup: t.def, Rows: int64(len(t.rows)), Bytes: b.Bytes(), SHA256: hex.EncodeToString(sum[:]), t: t}, nil
}

func node(t cube.Type) parquet.Node {
	switch t.Kind {
	case cube.Bool:
		return parquet.Leaf(parquet.BooleanType)
	case cube.Int64:
		return parquet.Leaf(parquet.Int64Type)
	case cube.Float64:
		return parquet.Leaf(parquet.DoubleType)
	case cube.Date:
		return parquet.Date()
	case cube.Timestamp:
		return parquet.Timestamp(parquet.Microsecond)
	case cube.Decimal:
		if t.Precision > 18 {
			return parquet.Decimal(t.Scale, t.Precision, parquet.FixedLenByteArrayType(16))
		}
		return parquet.Decimal(t.Scale, t.Precision, parquet.Int64Type)
	}
	return parquet.String()
}

// of returns the snapshot as it would be of the moment of a version with the same query: what it holds decides whether they differ,
// not when it was asked.
func (s *Snapshot) of(v catalog.LookupVersion) (*Snapshot, error) {
	if !s.Lookup.Query.Same(v.Lookup.Query) {
		return s, nil
	}
	def := *s.Lookup
	def.Query = v.Lookup.Query
	return (&table{def: &def, kind: s.t.kind, rows: s.t.rows}).encode()
}

// Apply stores a snapshot and makes it the newest version (K3). Changed is false where the newest version is the same.
func Apply(ctx context.Context, st blob.Store, c *catalog.Catalog, s *Snapshot) (v catalog.LookupVersion, changed bool, err error) {
	id, version, err := c.NextLookup(ctx, s.Lookup.Project, s.Lookup.Name)
	if err != nil {
		return v, false, err
	}
	newest := catalog.LookupVersion{Lookup: &cube.Lookup{ID: id}}
	if version > 1 {
		if newest, err = c.Lookup(ctx, s.Lookup.Project, s.Lookup.Name); err != nil {
			return v, false, err
		}
	}
	return put(ctx, st, c, s, newest)
}

// put stores a snapshot as the version after newest, unless that is the same.
func put(ctx context.Context, st blob.Store, c *catalog.Catalog, s *Snapshot, newest catalog.LookupVersion) (v catalog.LookupVersion, changed bool, err error) {
	store := func(s *Snapshot, key string) error {
		if err := blob.CreateSame(ctx, st, key, bytes.NewReader(s.Bytes)); err != nil {
			return fmt.Errorf("store snapshot of lookup %s/%s: %w", s.Lookup.Project, s.Lookup.Name, err)
		}
		return nil
	}
	if newest.Lookup.Version > 0 {
		same, err := s.of(newest)
		if err != nil {
			return v, false, err
		}
		if newest.SHA256 == same.SHA256 { // its object may be gone: then it is mended by this
			err := store(same, newest.Key)
			if err == nil && s.Lookup.Query != nil {
				err = c.NoteLookupRefresh(ctx, newest.Lookup.ID, newest.Lookup.Version, "")
			}
			return newest, false, err
		}
	}
	def := *s.Lookup
	def.ID, def.Version = newest.Lookup.ID, newest.Lookup.Version+1
	v = catalog.LookupVersion{Lookup: &def, Key: Key(def.ID, def.Version, s.SHA256), Size: int64(len(s.Bytes)), SHA256: s.SHA256, Rows: s.Rows}
	if err := store(s, v.Key); err != nil {
		return v, false, err
	}
	return v, true, c.AppendLookup(ctx, v)
}

// DamagedError reports an object that is no snapshot, or not as it was written.
type DamagedError struct {
	Key string
	Err error
}

func (e *DamagedError) Error() string { return e.Key + ": " + e.Err.Error() }
func (e *DamagedError) Unwrap() error { return e.Err }

// Describe reads a stored snapshot whole and returns what it says of itself. What is wrong with it is a *DamagedError.
func Describe(ctx context.Context, st blob.Store, key string) (v catalog.LookupVersion, err error) {
	id, version, want, err := ParseKey(key)
	if err != nil {
		return v, &DamagedError{key, err}
	}
	text, err := readWhole(ctx, st, key, want)
	if err != nil {
		return v, err
	}
	f, err := parquet.OpenFile(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		return v, &DamagedError{key, err}
	}
	meta, _ := f.Lookup(metaKey)
	def := new(cube.Lookup)
	if err := json.Unmarshal([]byte(meta), def); err != nil {
		return v, &DamagedError{key, fmt.Errorf("its definition: %w", err)}
	}
	def.ID, def.Version = id, version
	return catalog.LookupVersion{Lookup: def, Key: key, Size: int64(len(text)), SHA256: want, Rows: f.NumRows()}, nil
}
