package duck

import (
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	bindings "github.com/duckdb/duckdb-go-bindings"
)

// nestedReader reads lists, arrays, structs and maps.
func nestedReader(r reader, id bindings.Type, t bindings.LogicalType) (reader, error) {
	switch id {
	case bindings.TypeList:
		elem, err := childReader("item", bindings.ListTypeChildType(t))
		if err != nil {
			return r, err
		}
		typ := arrow.ListOfField(elem.field)
		r.field.Type, r.read = typ, readLists(typ, elem)
	case bindings.TypeArray:
		elem, err := childReader("item", bindings.ArrayTypeChildType(t))
		if err != nil {
			return r, err
		}
		size := int(bindings.ArrayTypeArraySize(t))
		typ := arrow.ListOfField(elem.field)
		r.field.Type, r.read = typ, readArrays(typ, elem, size)
	case bindings.TypeMap:
		key, err := childReader("key", bindings.MapTypeKeyType(t))
		if err != nil {
			return r, err
		}
		val, err := childReader("value", bindings.MapTypeValueType(t))
		if err != nil {
			return r, err
		}
		typ := arrow.MapOf(key.field.Type, val.field.Type)
		entries := arrow.StructOf(typ.KeyField(), typ.ItemField())
		r.field.Type = typ
		r.read = readLists(typ, reader{read: readStructs(entries, []reader{key, val})})
	case bindings.TypeStruct:
		var fields []arrow.Field
		var readers []reader
		for i := range bindings.StructTypeChildCount(t) {
			f, err := childReader(bindings.StructTypeChildName(t, i), bindings.StructTypeChildType(t, i))
			if err != nil {
				return r, err
			}
			fields, readers = append(fields, f.field), append(readers, f)
		}
		typ := arrow.StructOf(fields...)
		r.field.Type, r.read = typ, readStructs(typ, readers)
	}
	return r, nil
}

// childReader makes a reader and destroys the type.
func childReader(name string, t bindings.LogicalType) (reader, error) {
	defer bindings.DestroyLogicalType(&t)
	return newReader(name, t)
}

// readLists brings the elements into the order of the lists, without those of nulls and gaps.
func readLists(t arrow.DataType, elem reader) func(bindings.Vector, int) (arrow.Array, error) {
	return func(vec bindings.Vector, n int) (arrow.Array, error) {
		size := int(bindings.ListVectorGetSize(vec))
		if size > math.MaxInt32 {
			return nil, &Error{Kind: "out of range", Message: "2,048 rows of lists have more than 2^31 elements", Offset: -1}
		}
		child, err := elem.read(bindings.ListVectorGetChild(vec), size)
		if err != nil {
			return nil, err
		}
		offsets, valid := make([]int32, n+1), vectorValid(vec, n)
		var runs []arrow.Array
		for i, e := range vectorData[listEntry](vec, n) {
			offsets[i+1] = offsets[i]
			if valid.at(i) && e.length > 0 {
				offsets[i+1] += int32(e.length)
				runs = append(runs, array.NewSlice(child, int64(e.offset), int64(e.offset+e.length)))
			}
		}
		if child, err = joined(child, runs); err != nil {
			return nil, err
		}
		defer child.Release()
		lie := memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets))
		return build(t, vec, n, []*memory.Buffer{lie}, child.Data()), nil
	}
}

// joined puts slices of a column together, and releases both. Mostly they are the column, one after the other.
func joined(all arrow.Array, runs []arrow.Array) (arrow.Array, error) {
	defer func() {
		for _, r := range runs {
			r.Release()
		}
	}()
	next, whole := all.Data().Offset(), true
	for _, r := range runs {
		whole = whole && r.Data().Offset() == next
		next = r.Data().Offset() + r.Len()
	}
	if whole || len(runs) == 0 {
		return all, nil
	}
	defer all.Release()
	return array.Concatenate(runs, memory.DefaultAllocator)
}

func readArrays(t arrow.DataType, elem reader, size int) func(bindings.Vector, int) (arrow.Array, error) {
	return func(vec bindings.Vector, n int) (arrow.Array, error) {
		child, err := elem.read(bindings.ArrayVectorGetChild(vec), n*size)
		if err != nil {
			return nil, err
		}
		defer child.Release()
		offsets := make([]int32, n+1)
		for i := range n {
			offsets[i+1] = int32((i + 1) * size)
		}
		lie := memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets))
		return build(t, vec, n, []*memory.Buffer{lie}, child.Data()), nil
	}
}

func readStructs(t arrow.DataType, fields []reader) func(bindings.Vector, int) (arrow.Array, error) {
	return func(vec bindings.Vector, n int) (arrow.Array, error) {
		children := make([]arrow.ArrayData, len(fields))
		for i, f := range fields {
			child, err := f.read(bindings.StructVectorGetChild(vec, bindings.IdxT(i)), n)
			if err != nil {
				return nil, err
			}
			defer child.Release()
			children[i] = child.Data()
		}
		return build(t, vec, n, nil, children...), nil
	}
}
