package pages

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"slices"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
	"github.com/zeebo/xxh3"
)

// Parquet's file layout.
const (
	Magic = "PAR1" // the first and the last bytes of a file
	// guardMagic and xxh3 of the metadata stand before the metadata, where the format leaves room: a changed byte is
	// found before a decoder meets it (P2).
	guardMagic = "TMG1"
	guardSize  = len(guardMagic) + 8
)

// Output counts what is written through it, and hashes it if NewOutput made it.
type Output struct {
	W io.Writer
	N int64 // bytes so far

	sum hash.Hash
}

// NewOutput returns an Output over w.
func NewOutput(w io.Writer) *Output { return &Output{W: w, sum: sha256.New()} }

func (o *Output) Write(p []byte) (int, error) {
	n, err := o.W.Write(p)
	if o.sum != nil {
		o.sum.Write(p[:n])
	}
	o.N += int64(n)
	return n, err
}

// SHA256 returns the hash of what was written, in hexadecimal.
func (o *Output) SHA256() string { return hex.EncodeToString(o.sum.Sum(nil)) }

// NewMetaData returns the metadata of a file of these leaves without row groups.
func NewMetaData(leaves []Leaf, createdBy string, meta []format.KeyValue) *format.FileMetaData {
	return &format.FileMetaData{
		Version: 2, Schema: elements(leaves), CreatedBy: createdBy, KeyValueMetadata: meta,
		ColumnOrders: slices.Repeat([]format.ColumnOrder{{Value: new(format.TypeDefinedOrder)}}, len(leaves)),
	}
}

// elements returns the root and the leaves.
func elements(leaves []Leaf) []format.SchemaElement {
	all := []format.SchemaElement{{Name: "tidemark", NumChildren: thrift.New(int32(len(leaves)))}}
	for i := range leaves {
		all = append(all, leaves[i].Element)
	}
	return all
}

// WriteMetaData writes what stands behind the row groups: guard, metadata, its length and the magic.
func WriteMetaData(out *Output, meta *format.FileMetaData) error {
	var buf bytes.Buffer
	if err := thrift.NewEncoder(new(thrift.CompactProtocol).NewWriter(&buf)).Encode(meta); err != nil {
		return fmt.Errorf("metadata: %w", err)
	}
	tail := append([]byte(nil), guardMagic...)
	tail = binary.LittleEndian.AppendUint64(tail, xxh3.Hash(buf.Bytes()))
	tail = append(tail, buf.Bytes()...)
	tail = binary.LittleEndian.AppendUint32(tail, uint32(buf.Len()))
	_, err := out.Write(append(tail, Magic...))
	return err
}
