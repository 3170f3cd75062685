package cells

import (
	"fmt"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// States are the states of one measure, one a row, in columns (C5). States of one measure fold into each other, whether
// they are of events, of cells or out of a file.
type States interface {
	// Len returns the number of states.
	Len() int

	// Fold has state groups[i] take in state from+i of src, in the order of i. The receiver was made by Measure.New. src and
	// groups must not change until the receiver is read: some states put the work off. The error is an *OverflowError, after which the receiver is of no use.
	Fold(groups []uint32, src States, from int) error

	// Columns returns states [from, to) as they are stored, one column for each of Measure.Columns. The caller must not
	// change them: they may alias the states.
	Columns(from, to int) []stage.Column

	// MemBytes returns what the states hold of memory.
	MemBytes() int64
}

// OverflowError says that a sum needs more than the 38 digits there are (C6).
type OverflowError struct {
	Measure string
}

func (e *OverflowError) Error() string {
	return fmt.Sprintf("measure %s: a sum has more than 38 digits: sum a column of smaller values, or as float64", e.Measure)
}

// ColumnSpec is a column in which states are stored.
type ColumnSpec struct {
	Name string
	Kind stage.Kind
	Type cube.Type // its Kind is "" for bytes of a sketch
	Null bool      // whether a state may be null in it
}

// kind is what differs between measures.
type kind interface {
	columns(m *Measure) []ColumnSpec
	make(m *Measure, n int) States                               // n empty states
	lift(m *Measure) lifter                                      // for states of events
	read(m *Measure, cols []stage.Column, n int) (States, error) // of columns that have the right kinds and n rows
}

// IDs returns the ids of strings in the global dictionary of a column of the table. values ascend, are distinct and none is
// null.
type IDs func(column string, values *stage.Column) ([]uint32, error)

// lifter turns events into states. add appends one state for each event; states returns all of them and ends its use.
type lifter interface {
	add(e *events) error
	states(ids IDs) (States, error)
	memBytes() int64
}

// plan returns what the measure's function does with its column, nil where there is no such thing.
func (m *Measure) plan() kind {
	switch m.Function {
	case cube.Count:
		return countKind{}
	case cube.Sum:
		return sumKind(m.of)
	case cube.Avg:
		if sum := sumKind(m.of); sum != nil {
			return avgKind{sum}
		}
	case cube.Min, cube.Max:
		if inWords(m.of.kind) {
			return wordsKind{}
		}
		return bytesKind{}
	case cube.CountDistinct:
		return hllKind{}
	case cube.CountDistinctExact:
		if m.of.kind == stage.Bytes {
			return exactKind[uint32]{}
		}
		return exactKind[uint64]{}
	case cube.TopN:
		return topKindOf(m)
	case cube.First, cube.Last:
		return firstKind{}
	case cube.Percentile:
		return digestKind{}
	}
	return nil
}

// settler are states that put work off while they fold. Cells hold none of it, so that reading them changes nothing.
type settler interface{ settle() }

// New returns n states that have taken in nothing.
func (m *Measure) New(n int) States { return m.plan().make(m, n) }

// Columns returns the columns in which the measure's states are stored.
func (m *Measure) Columns() []ColumnSpec { return m.plan().columns(m) }

// FromColumns returns the states that are stored in cols, which may have dictionaries. The states may alias them. The
// error says what makes them no states of this measure.
func (m *Measure) FromColumns(cols []stage.Column) (States, error) {
	specs := m.Columns()
	if len(cols) != len(specs) {
		return nil, fmt.Errorf("measure %s: %d columns, want %d", m.Name, len(cols), len(specs))
	}
	flat := make([]stage.Column, len(cols))
	n := 0
	for i, spec := range specs {
		flat[i] = cols[i]
		if flat[i].Kind != spec.Kind {
			return nil, fmt.Errorf("measure %s: column %s is of kind %d, want %d", m.Name, spec.Name, flat[i].Kind, spec.Kind)
		}
		flat[i].Flatten()
		if i == 0 {
			n = flat[i].Len()
		}
		if flat[i].Len() != n {
			return nil, fmt.Errorf("measure %s: column %s has %d rows, want %d", m.Name, spec.Name, flat[i].Len(), n)
		}
		if !spec.Null && bitset(flat[i].Nulls).any(0, n) {
			return nil, fmt.Errorf("measure %s: column %s has nulls", m.Name, spec.Name)
		}
	}
	s, err := m.plan().read(m, flat, n)
	if err != nil {
		return nil, fmt.Errorf("measure %s: %w", m.Name, err)
	}
	return s, nil
}

// sameKind returns src as states of dst's kind. FoldRun, which is called for each run of cells, asks by itself: that is inlined.
func sameKind[S States](dst S, src States) S {
	in, ok := src.(S)
	if !ok {
		panic(wrong(dst, src))
	}
	return in
}

// wrong reports states of another measure, which only a broken caller folds.
func wrong(dst, src States) string { return fmt.Sprintf("C3: a %T folds no %T", dst, src) }
