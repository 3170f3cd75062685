package duck

import (
	"unsafe"

	bindings "github.com/duckdb/duckdb-go-bindings"
)

// stringT is how DuckDB lays out a string: up to 12 bytes within, longer ones behind a pointer. It is C's memory and
// goes with its chunk.
type stringT struct {
	length uint32
	head   [4]byte
	tail   [8]byte // of a short string its bytes 4 to 11, of a long one the pointer
}

const inlineBytes = 12

func (s *stringT) bytes() []byte {
	if s.length <= inlineBytes {
		return unsafe.Slice((*byte)(unsafe.Pointer(&s.head)), s.length)
	}
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&s.tail)), s.length)
}

func (s *stringT) text() string { return string(s.bytes()) }

// vectorData is a vector's memory as n values of a type.
func vectorData[T any](vec bindings.Vector, n int) []T {
	return unsafe.Slice((*T)(bindings.VectorGetData(vec)), n)
}

func vectorStrings(vec bindings.Vector, n int) []stringT { return vectorData[stringT](vec, n) }

// validity has a bit for each value that is not null; nil if none is.
type validity []uint64

func vectorValid(vec bindings.Vector, n int) validity {
	mask := bindings.VectorGetValidity(vec)
	if mask == nil {
		return nil
	}
	return unsafe.Slice((*uint64)(mask), (n+63)/64)
}

func (v validity) at(i int) bool { return v == nil || v[i>>6]>>(i&63)&1 != 0 }
