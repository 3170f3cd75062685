package cube

import (
	"fmt"
	"slices"
	"strings"
)

// measure reads count, sum(bytes), or {name, function, column, ...}.
func (r *reader) measure(n *node, path string) (m Measure) {
	switch n.kind {
	case scalarNode:
		f, arg, short, err := splitCall(n.text)
		switch {
		case err != nil:
			r.complainAs(n, path, err)
		case !slices.Contains(functions(), Function(f)):
			r.complainAs(n, path, unknownFunction(f, arg, short))
		case Function(f) == Count && arg == "*":
			r.complain(n.line, path, "events are counted without a star", "write count")
		case short && arg == "":
			r.complain(n.line, path, "there is no column between the parentheses", "write "+f+" or "+f+"(bytes)")
		case Function(f) == TopN:
			m.Function, m.By = TopN, topNArgs(arg)
		default:
			m.Function, m.Column = Function(f), arg
		}
	case objectNode:
		r.measureKeys(&m, n, path)
	default:
		r.complain(n.line, path, "is a list, but one measure is wanted", "write - sum(bytes), or - {name: traffic, function: sum, column: bytes}")
	}
	return m
}

func topNArgs(arg string) []string {
	if arg == "" {
		return nil
	}
	return []string{arg}
}

func (r *reader) measureKeys(m *Measure, n *node, path string) {
	number := positive(narrow(parseCount))
	r.object(n, path, []key{
		{"name", r.text(&m.Name, "a name")},
		{"function", func(n *node, path string) {
			s, ok := r.scalar(n, path, "sum")
			if m.Function = Function(s); ok && !slices.Contains(functions(), m.Function) {
				r.complainAs(n, path, unknownFunction(s, m.Column, false))
			}
		}},
		{"column", r.text(&m.Column, "the name of a column")},
		{"precision", parsed(r, &m.Precision, "12", number)},
		{"by", r.texts(&m.By, "a list of columns: [url]")},
		{"n", parsed(r, &m.N, "100", number)},
		{"compression", parsed(r, &m.Compression, "100", number)},
	}, map[string]string{
		"expression": "write function", "aggregation": "write function", "agg": "write function", "type": "write function; the type of the result follows from the column",
		"field": "write column", "parameter": "write column", "columns": "write column, or for top_n by: [url]", "measure": "write name", "alias": "write name",
		"returntype": "remove it: the type follows from the column", "group_by": "write by", "limit": "write n", "k": "write n", "top": "write n",
		"percentile": "remove it: a percentile measure answers every percentile", "lg_k": "write precision", "accuracy": "write compression for percentile, precision for count_distinct",
	})
}

func functions() []Function {
	return []Function{Count, Sum, Min, Max, Avg, CountDistinct, CountDistinctExact, TopN, Percentile, First, Last}
}

// unknownFunction knows the words of other systems.
func unknownFunction(f, arg string, short bool) *Problem {
	words := make([]string, 0, len(functions()))
	for _, k := range functions() {
		words = append(words, string(k))
	}
	p := unknownWord("function", f, words)
	low := strings.ToLower(f)
	to := ""
	for _, a := range []struct {
		to    Function
		names string
	}{
		{Count, "counter events rows"},
		{Sum, "total longsum doublesum"},
		{Min, "minimum lowest smallest"},
		{Max, "maximum highest largest"},
		{Avg, "average mean"},
		{CountDistinct, "distinct uniq unique uniques countdistinct approx_count_distinct hll hllc hyperloglog cardinality ndv thetasketch"},
		{CountDistinctExact, "bitmap roaring uniqexact exact_distinct distinct_exact count_distinct_bitmap"},
		{TopN, "top topk top_k topn heavy_hitters"},
		{Percentile, "quantile quantiles median percentile_approx percentile_cont tdigest p50 p90 p95 p99"},
		{First, "earliest first_value any_value argmin"},
		{Last, "latest last_value argmax"},
	} {
		if slices.Contains(strings.Fields(a.names), low) || low == string(a.to) {
			to = string(a.to)
		}
	}
	if to == "" {
		return p
	}
	p.Message, p.Instead = fmt.Sprintf("unknown function %s", clip(f)), "write "+to
	switch {
	case short && to == string(Count) && (arg == "*" || arg == "1"):
	case short:
		p.Instead += "(" + arg + ")"
	}
	return p
}

func (r *reader) group(n *node, path string) (g Group) {
	if !r.mapping(n, path, "{includes: [country, os], mandatory: [country]}") {
		return g
	}
	r.object(n, path, []key{
		{"includes", r.texts(&g.Includes, "a list of dimensions: [country, os]")},
		{"mandatory", r.texts(&g.Mandatory, "a list of dimensions: [country, os]")},
		{"hierarchy", r.textLists(&g.Hierarchy, "a list of lists, each coarse to fine: [[month, day], [country, city]]")},
		{"joint", r.textLists(&g.Joint, "a list of lists: [[os, browser]]")},
		{"dim_cap", parsed(r, &g.DimCap, "4", positive(narrow(parseCount)))},
	}, map[string]string{
		"include": "write includes", "dimensions": "write includes", "mandatory_dims": "write mandatory", "hierarchy_dims": "write hierarchy", "hierarchies": "write hierarchy",
		"joint_dims": "write joint", "joints": "write joint", "select_rule": "write mandatory, hierarchy, joint and dim_cap here, without select_rule", "max_dims": "write dim_cap",
	})
	return g
}

// textLists reads a list of lists of names.
func (r *reader) textLists(into *[][]string, example string) func(*node, string) {
	return func(n *node, path string) {
		r.list(n, path, example, func(n *node, path string) {
			var names []string
			if n.kind == scalarNode {
				r.complain(n.line, path, "is a single value, but a list is wanted", "write "+example)
			} else {
				r.texts(&names, example)(n, path)
			}
			*into = append(*into, names)
		})
	}
}
