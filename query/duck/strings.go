package duck

/*
#include <stdint.h>

// Of DuckDB's C interface. Its header comes with the bindings, where only they find it.
void duckdb_vector_assign_string_element_len(void *vector, uint64_t index, const char *text, uint64_t length);

static void tidemark_put(void *vector, uint64_t n, const int32_t *from, const int32_t *to, const char *data, const uint8_t *valid, uint64_t bit) {
	for (uint64_t i = 0; i < n; i++) {
		if (valid == 0 || (valid[(bit + i) >> 3] >> ((bit + i) & 7) & 1)) {
			duckdb_vector_assign_string_element_len(vector, i, data + from[i], (uint64_t)(to[i] - from[i]));
		}
	}
}
*/
import "C"

import (
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	bindings "github.com/duckdb/duckdb-go-bindings"
)

// pieces are strings in one run of bytes: the i-th is data[from[i]:to[i]].
type pieces struct {
	from, to []int32
	data     []byte
}

// putStrings writes strings with one call for all: a call into C for each costs ten times as much as the copy. Where col is
// null, from the value at on, nothing is written.
func putStrings(vec bindings.Vector, p pieces, col arrow.Array, at int) {
	n := len(p.from)
	if n == 0 {
		return
	}
	var valid *C.uint8_t
	if bits := col.NullBitmapBytes(); col.NullN() > 0 && len(bits) > 0 {
		valid = (*C.uint8_t)(unsafe.Pointer(&bits[0]))
	}
	C.tidemark_put(vec.Ptr, C.uint64_t(n), (*C.int32_t)(unsafe.Pointer(&p.from[0])), (*C.int32_t)(unsafe.Pointer(&p.to[0])),
		(*C.char)(unsafe.Pointer(unsafe.SliceData(p.data))), valid, C.uint64_t(col.Data().Offset()+at))
}

// fillStrings writes a column of text or bytes. Arrow keeps it as one run of bytes, with where each value begins.
func fillStrings(vec bindings.Vector, col arrow.Array, at, n int) error {
	d := col.Data()
	if len(d.Buffers()) != 3 {
		return wrongArray(col)
	}
	if d.Buffers()[1] != nil && d.Buffers()[2] != nil && d.Buffers()[2].Len() > 0 {
		offsets := arrow.Int32Traits.CastFromBytes(d.Buffers()[1].Bytes())[d.Offset()+at:]
		putStrings(vec, pieces{offsets[:n], offsets[1 : n+1], d.Buffers()[2].Bytes()}, col, at)
	} else {
		clear(vectorStrings(vec, n)) // all empty or null
	}
	fillNulls(vec, col, at, n)
	return nil
}

// fillDictionary writes text that is kept as numbers of values.
func fillDictionary(vec bindings.Vector, col arrow.Array, at, n int) error {
	src, ok := col.(*array.Dictionary)
	if !ok {
		return wrongArray(col)
	}
	values, ok := src.Dictionary().(*array.String)
	if !ok {
		return wrongArray(src.Dictionary())
	}
	from, to := make([]int32, n), make([]int32, n)
	for i := range n {
		if src.IsValid(at + i) {
			k := src.GetValueIndex(at + i)
			from[i], to[i] = int32(values.ValueOffset(k)), int32(values.ValueOffset(k+1))
		}
	}
	data := []byte{}
	if b := values.Data().Buffers()[2]; b != nil {
		data = b.Bytes()
	}
	putStrings(vec, pieces{from, to, data}, col, at)
	fillNulls(vec, col, at, n)
	return nil
}
