package stage

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"pgregory.net/rapid"
)

// F3, F4: what is written is read, in both formats, over all types and values.
func TestRoundTrip(t *testing.T) {
	for _, f := range []cube.Format{cube.Parquet, cube.NDJSON} {
		t.Run(string(f), func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				s := drawSchema(rt)
				chunks, foot := drawChunks(rt, s)
				rows := rapid.IntRange(1, 50).Draw(rt, "row group")
				var buf bytes.Buffer
				enc, err := Encode(&buf, s, f, foot, chunks, EncodeOptions{RowGroupRows: rows})
				if err != nil {
					rt.Fatal(err)
				}
				sum := sha256.Sum256(buf.Bytes())
				if enc.Size != int64(buf.Len()) || enc.SHA256 != hex.EncodeToString(sum[:]) {
					rt.Fatalf("Encoded says %d bytes, sha256 %s; wrote %d, %x", enc.Size, enc.SHA256, buf.Len(), sum)
				}
				st, key := new(blob.Mem), StagedKey("t1", foot.Range, foot.Epoch, s.Version, f)
				putBytes(t, st, key, buf.Bytes())
				r, got := readAll(t, st, key)
				want := join(s, chunks)
				if d := sameRows(want, got); d != "" {
					rt.Fatalf("rows differ (-written +read):\n%s", d)
				}
				if d := cmp.Diff(s, r.Schema()); d != "" {
					rt.Fatalf("schema differs (-written +read):\n%s", d)
				}
				if h := HashChunk(want); h != r.Footer().RowHash || h != enc.RowHash {
					rt.Fatalf("row hash: rows %s, footer %s, Encode %s", h, r.Footer().RowHash, enc.RowHash)
				}
				if len(r.Groups()) != enc.RowGroups || len(r.Groups()) != (want.Rows()+rows-1)/rows {
					rt.Fatalf("%d groups, Encode says %d, for %d rows in groups of %d", len(r.Groups()), enc.RowGroups, want.Rows(), rows)
				}
				foot.FormatVersion, foot.Writer, foot.RowHash = FormatVersion, WriterVersion, enc.RowHash
				foot.MinTimeUs, foot.MaxTimeUs = enc.MinTimeUs, enc.MaxTimeUs
				if d := cmp.Diff(foot, r.Footer()); d != "" {
					rt.Fatalf("footer differs (-written +read):\n%s", d)
				}
			})
		})
	}
}

// F2: the borders of the chunks leave no trace, nor does what the encoder wrote before.
func TestBytesDoNotDependOnChunks(t *testing.T) {
	shared := new(Buffers)
	rapid.Check(t, func(rt *rapid.T) {
		s := drawSchema(rt)
		chunks, foot := drawChunks(rt, s)
		all := join(s, chunks)
		var parts []*Chunk
		for from := 0; from < all.Rows(); {
			to := rapid.IntRange(from, all.Rows()).Draw(rt, "to")
			c := NewChunk(s)
			c.AppendChunk(all, from, to)
			parts = append(parts, c)
			from = to
		}
		rows := rapid.IntRange(1, 50).Draw(rt, "row group")
		for _, f := range []cube.Format{cube.Parquet, cube.NDJSON} {
			var a, b bytes.Buffer
			if _, err := Encode(&a, s, f, foot, chunks, EncodeOptions{RowGroupRows: rows}); err != nil {
				rt.Fatal(err)
			}
			if _, err := Encode(&b, s, f, foot, parts, EncodeOptions{RowGroupRows: rows, Buffers: shared}); err != nil {
				rt.Fatal(err)
			}
			if !bytes.Equal(a.Bytes(), b.Bytes()) {
				rt.Fatalf("%s: other chunks, other bytes", f)
			}
		}
	})
}

// Reading some columns gives what reading all gives, and dictionaries hash like plain values (F4).
func TestReadSomeColumns(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := drawSchema(rt)
		chunks, foot := drawChunks(rt, s)
		f := rapid.SampledFrom([]cube.Format{cube.Parquet, cube.NDJSON}).Draw(rt, "format")
		var buf bytes.Buffer
		if _, err := Encode(&buf, s, f, foot, chunks, EncodeOptions{RowGroupRows: 16}); err != nil {
			rt.Fatal(err)
		}
		st, key := new(blob.Mem), StagedKey("t1", foot.Range, foot.Epoch, s.Version, f)
		putBytes(t, st, key, buf.Bytes())
		r, err := Open(t.Context(), st, key, int64(buf.Len()))
		if err != nil {
			rt.Fatal(err)
		}
		defer r.Close()
		all := make([]int, len(s.Fields))
		for i := range all {
			all[i] = i
		}
		fields := rapid.SliceOfNDistinct(rapid.SampledFrom(all), 0, -1, rapid.ID[int]).Draw(rt, "fields")
		var coded, flat Hash
		for g := range r.Groups() {
			whole, err := r.Read(t.Context(), g, nil)
			if err != nil {
				rt.Fatal(err)
			}
			coded = coded.Add(HashChunk(whole))
			some, err := r.Read(t.Context(), g, append([]int{}, fields...))
			if err != nil {
				rt.Fatal(err)
			}
			want := NewChunk(s)
			want.Offsets, want.Timestamps = whole.Offsets, whole.Timestamps
			want.MinTimeUs, want.MaxTimeUs = whole.MinTimeUs, whole.MaxTimeUs
			for _, i := range fields {
				want.Columns[i] = whole.Columns[i]
			}
			if d := sameRows(want, some); d != "" {
				rt.Fatalf("fields %v of group %d (-all +some):\n%s", fields, g, d)
			}
			for i := range whole.Columns {
				whole.Columns[i].Flatten()
			}
			flat = flat.Add(HashChunk(whole))
		}
		if coded != flat || flat != r.Footer().RowHash {
			rt.Fatalf("row hash with dictionaries %s, flattened %s, footer %s", coded, flat, r.Footer().RowHash)
		}
	})
}

// F4: the hash of the parts, in any order, adds up to that of the whole; any changed value changes it.
func TestRowHash(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := drawSchema(rt)
		chunks, _ := drawChunks(rt, s)
		all := join(s, chunks)
		whole := HashChunk(all)
		cut := rapid.IntRange(0, all.Rows()).Draw(rt, "cut")
		if got := HashRows(all, cut, all.Rows()).Add(HashRows(all, 0, cut)); got != whole {
			rt.Fatalf("parts %s, whole %s", got, whole)
		}
		if back, err := ParseHash(whole.String()); err != nil || back != whole {
			rt.Fatalf("ParseHash(%s) = %v, %v", whole, back, err)
		}
		if all.Rows() == 0 {
			return
		}
		row := rapid.IntRange(0, all.Rows()-1).Draw(rt, "row")
		col := rapid.IntRange(-2, len(s.Fields)-1).Draw(rt, "column")
		other := change(s, all, row, col)
		if HashChunk(other) == whole {
			rt.Fatalf("row %d, column %d changed, hash did not", row, col)
		}
	})
}

// change returns a copy of c with one value made null, or not null if it was; -1 and -2 are timestamp and offset.
func change(s *Schema, c *Chunk, row, col int) *Chunk {
	n := NewChunk(s)
	n.AppendChunk(c, 0, c.Rows())
	switch {
	case col == -2:
		n.Offsets[row]++
	case col == -1:
		n.Timestamps[row]++
	case n.Columns[col].IsNull(row):
		n.Columns[col].Nulls[row>>6] &^= 1 << (row & 63)
	default:
		n.Columns[col].SetNull(row)
	}
	return n
}
