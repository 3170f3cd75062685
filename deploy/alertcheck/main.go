// Command alertcheck reads files of alert rules with Prometheus' own parser, templates of annotations included, and the
// expressions of Grafana's dashboards, and wants every metric that they name, and every label that they choose or group by, to
// stand in docs/METRICS.md (which tests compare with the code). Of prometheus.yaml it reads what ours uses, and wants its rule
// files to be there. It is a module of its own: nothing of Prometheus reaches tidemark.
//
//	alertcheck METRICS.md RULES.yaml|DASHBOARD.json|prometheus.yaml...
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

var row = regexp.MustCompile("(?m)^\\| `(tidemark_[a-z0-9_]+)` \\| (\\w+) \\| ([^|]*) \\|")

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: alertcheck METRICS.md RULES.yaml|DASHBOARD.json|prometheus.yaml...")
		os.Exit(2)
	}
	metrics, err := documented(os.Args[1])
	for _, path := range os.Args[2:] {
		look := check
		switch {
		case strings.HasSuffix(path, ".json"):
			look = checkDashboard
		case filepath.Base(path) == "prometheus.yaml":
			look = checkServer
		}
		err = errors.Join(err, look(path, metrics))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// documented returns the labels of each series; those of a histogram have a suffix.
func documented(path string) (map[string][]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	out := map[string][]string{}
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		names := strings.FieldsFunc(m[3], func(r rune) bool { return strings.ContainsRune(", `-", r) })
		names = append(names, "instance", "job") // Prometheus' own
		if m[2] != "histogram" {
			out[m[1]] = names
			continue
		}
		out[m[1]+"_bucket"], out[m[1]+"_sum"], out[m[1]+"_count"] = append(names, "le"), names, names
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: no row of a metric found", path)
	}
	return out, nil
}

func check(path string, metrics map[string][]string) error {
	groups, errs := rulefmt.ParseFile(path, false)
	if err := errors.Join(errs...); err != nil {
		return err
	}
	rules := 0
	for _, g := range groups.Groups {
		for _, r := range g.Rules {
			rules++
			expr, err := parser.ParseExpr(r.Expr)
			if err != nil {
				return err // ParseFile has seen it
			}
			for _, problem := range unknown(expr, metrics) {
				errs = append(errs, fmt.Errorf("%s: %s: %s", path, r.Alert, problem))
			}
		}
	}
	if rules == 0 {
		errs = append(errs, fmt.Errorf("%s: no rules", path))
	}
	return errors.Join(errs...)
}

// unknown lists what an expression names and nobody has.
func unknown(expr parser.Expr, metrics map[string][]string) (problems []string) {
	parser.Inspect(expr, func(n parser.Node, above []parser.Node) error {
		v, ok := n.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		has, known := metrics[v.Name]
		if !known {
			problems = append(problems, fmt.Sprintf("no metric %s in docs/METRICS.md", v.Name))
			return nil
		}
		var used []string
		for _, m := range v.LabelMatchers {
			if m.Name != labels.MetricName {
				used = append(used, m.Name)
			}
		}
		for _, a := range above {
			if agg, ok := a.(*parser.AggregateExpr); ok {
				used = append(used, agg.Grouping...)
			}
		}
		for _, name := range used {
			if !slices.Contains(has, name) {
				problems = append(problems, fmt.Sprintf("%s has no label %s", v.Name, name))
			}
		}
		return nil
	})
	return problems
}
