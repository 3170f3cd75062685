package cube

import (
	"fmt"
	"slices"
)

const (
	minHLLPrecision, maxHLLPrecision = 4, 21
	maxTopN                          = 10_000
	maxTopNColumns                   = 4
	minCompression, maxCompression   = 20, 1_000
)

// measureParam is a parameter of some functions, as it was given.
type measureParam struct {
	name        string
	v           int
	only        Function
	least, most int
}

func (k *cubeChecker) measures() {
	ms := k.cube.Measures
	if len(ms) > maxMeasures {
		k.add("measures", fmt.Sprintf("%d measures", len(ms)), fmt.Sprintf("write at most %d", maxMeasures))
		return
	}
	first := map[string]int{}
	for i, m := range ms {
		at := fmt.Sprintf("measures[%d]", i)
		if m.Function == "" {
			k.add(at+".function", "missing", "write function: sum")
			continue
		}
		if !slices.Contains(functions(), m.Function) {
			k.addErr(at+".function", unknownFunction(string(m.Function), m.Column, false))
			continue
		}
		named := m
		named.Name = named.defaultName()
		if other, ok := first[named.flow()]; ok {
			k.add(at, fmt.Sprintf("is the same as measures[%d]", other), "remove one")
			k.again[at] = true
		} else {
			first[named.flow()] = i
		}
		k.params(at, m)
		if m.Function == TopN {
			k.topN(at, m)
		}
		k.measureColumn(at, m)
	}
}

func (k *cubeChecker) params(at string, m Measure) {
	for _, p := range []measureParam{
		{"precision", m.Precision, CountDistinct, minHLLPrecision, maxHLLPrecision},
		{"n", m.N, TopN, 1, maxTopN},
		{"compression", m.Compression, Percentile, minCompression, maxCompression},
	} {
		switch {
		case p.only != m.Function && p.v != 0:
			k.add(at+"."+p.name, fmt.Sprintf("%s has no %s", m.Function, p.name), fmt.Sprintf("remove it: it belongs to %s", p.only))
		case p.only == m.Function:
			limit[int64]{int64(p.least), int64(p.most), countText}.check(&k.checker, at+"."+p.name, int64(p.v))
		}
	}
	if m.Function != TopN && len(m.By) > 0 {
		k.add(at+".by", fmt.Sprintf("%s has no by", m.Function), "remove it: it belongs to top_n")
	}
}

func (k *cubeChecker) topN(at string, m Measure) {
	switch {
	case len(m.By) == 0:
		k.add(at+".by", "missing", "write the column whose values are ranked: by: [url]")
	case len(m.By) > maxTopNColumns:
		k.add(at+".by", fmt.Sprintf("has %d columns", len(m.By)), fmt.Sprintf("write at most %d", maxTopNColumns))
		return
	}
	for i, name := range m.By {
		path := fmt.Sprintf("%s.by[%d]", at, i)
		if name == "" {
			k.add(path, "missing", "write the name of a column")
		} else if slices.Contains(m.By[:i], name) {
			k.add(path, name+" is there already", "remove one")
		} else if col := k.column(path, name); col != nil && col.Type.Kind == JSON {
			k.add(path, fmt.Sprintf("column %s is json, whose values cannot be ranked", name), "add a column to the table with the path of a value in it")
		}
	}
}

func (k *cubeChecker) measureColumn(at string, m Measure) {
	if m.Column == "" {
		if m.Function != Count && m.Function != TopN {
			k.add(at+".column", "missing", fmt.Sprintf("write the name of a column: %s(bytes)", m.Function))
		}
		return
	}
	if col := k.column(at+".column", m.Column); col != nil {
		_, err := m.Function.resultOf(col.Type)
		k.addErr(at+".column", err)
	}
}

// Result returns the type of the measure's values in answers. The table must have its columns. A top_n answers with JSON:
// a list of its values and their sums.
func (m Measure) Result(t *Table) (Type, error) {
	if m.Column == "" {
		if m.Function == TopN {
			return Type{Kind: JSON}, nil
		}
		return Type{Kind: Int64}, nil
	}
	for i := range t.Columns {
		if t.Columns[i].Name == m.Column {
			return m.Function.resultOf(t.Columns[i].Type)
		}
	}
	return Type{}, &Problem{Message: fmt.Sprintf("table %s has no column %s", t.Name, clip(m.Column)), Instead: "change the cube, or add the column"}
}

// resultOf returns the type of the function over values of type t, or says why there is none.
func (f Function) resultOf(t Type) (Type, error) {
	number := t.Kind == Int64 || t.Kind == Float64 || t.Kind == Decimal
	refuse := func(instead string) (Type, error) {
		return Type{}, &Problem{Message: fmt.Sprintf("there is no %s of %s", f, t), Instead: instead}
	}
	const takeNumber = "name a column of int64, float64 or decimal"
	switch f {
	case Count:
		return Type{Kind: Int64}, nil
	case TopN:
		if !number {
			return refuse(takeNumber + " to sum, or none to count events; what is ranked stands in by")
		}
		return Type{Kind: JSON}, nil
	case Sum:
		return sumOf(t, refuse)
	case Avg, Percentile:
		if !number {
			return refuse(takeNumber)
		}
		return Type{Kind: Float64}, nil
	}
	if t.Kind == JSON {
		return refuse("add a column to the table with the path of a value in it")
	}
	switch f {
	case CountDistinct:
		return Type{Kind: Int64}, nil
	case CountDistinctExact:
		if t.Kind == Float64 || t.Kind == Decimal {
			return refuse("write count_distinct, which takes every type")
		}
		return Type{Kind: Int64}, nil
	}
	return t, nil // min, max, first, last
}

// sumOf adds whole numbers in 38 digits: an int64 overflows within a day of byte counts.
func sumOf(t Type, refuse func(string) (Type, error)) (Type, error) {
	switch t.Kind {
	case Int64:
		return Type{Kind: Decimal, Precision: maxPrecision}, nil
	case Decimal:
		return Type{Kind: Decimal, Precision: maxPrecision, Scale: t.Scale}, nil
	case Float64:
		return t, nil
	case Bool:
		return refuse("make it an int64 column of the table (0 and 1), or count the events by it as a dimension")
	}
	return refuse("name a column of int64, float64 or decimal")
}
