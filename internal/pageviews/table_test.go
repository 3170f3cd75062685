package pageviews_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/pageviews"
)

// The definition that the demo applies must be one that applies.
func TestTableYAMLIsADefinition(t *testing.T) {
	got, err := cube.ParseTable([]byte(pageviews.TableYAML("views", "site.page-views")), "views.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if got.Name != "views" || got.Topic != "site.page-views" || got.EventTime.Column != "ts" || got.EventTime.Lateness != 10*time.Minute {
		t.Errorf("table %q, topic %q, event time %+v", got.Name, got.Topic, got.EventTime)
	}
	var columns []pageviews.Column
	for _, c := range got.Columns {
		columns = append(columns, pageviews.Column{Name: c.Name, Path: c.Path, Type: c.Type.String()})
	}
	want := pageviews.Columns()
	want[0].Type = columns[0].Type // rfc3339 is the default: the shorter form may come back
	if diff := cmp.Diff(want, columns); diff != "" {
		t.Errorf("columns (-declared +parsed):\n%s", diff)
	}
	if got.Columns[0].Type.Kind != cube.Timestamp || got.Columns[0].Type.Format != "rfc3339" {
		t.Errorf("column ts is %+v, want a timestamp in rfc3339", got.Columns[0].Type)
	}
}
