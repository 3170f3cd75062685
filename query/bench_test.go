package query_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/query"
)

// A statement with 10,000 values: its text is too long for its plan to be kept, so that each is planned anew.
func BenchmarkManyValues(b *testing.B) {
	w := newWorld(b, 7, 20)
	w.stage(w.parts[0], 10)
	w.apply(cubeYAML, w.firsts())
	e := w.limited(query.Options{NoResults: true})
	for name, write := range map[string]func(int) string{
		"strings": func(i int) string { return fmt.Sprintf("'c%d'", i) },
		"numbers": func(i int) string { return fmt.Sprint(i) },
	} {
		list := make([]string, 10_000)
		for i := range list {
			list[i] = write(i)
		}
		sql := fmt.Sprintf("SELECT country, count(*) FROM shop WHERE %s IN (%s) GROUP BY 1", map[string]string{"strings": "country", "numbers": "status"}[name], strings.Join(list, ", "))
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := answered(e, query.Request{SQL: sql}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
