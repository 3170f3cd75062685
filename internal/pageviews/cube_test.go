package pageviews_test

import (
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/pageviews"
)

// The definition that the demo applies must be one that applies, over the table that it applies.
func TestCubeYAMLIsADefinition(t *testing.T) {
	table, err := cube.ParseTable([]byte(pageviews.TableYAML("pageviews", "pageviews")), "pageviews.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := cube.ParseCube([]byte(pageviews.CubeYAML("pageviews_cube", "pageviews")), "pageviews_cube.yaml", table)
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "pageviews_cube" || c.Table != "pageviews" || c.Cut.Age != 5*time.Second || len(c.Dimensions) != 10 || len(c.Measures) != 7 ||
		len(c.Merge.Budget) != 1 || c.Merge.Budget[0].Segments != 2 {
		t.Errorf("got cube %+v", c)
	}
	cuboids, err := c.Cuboids()
	if err != nil || len(cuboids) != 61 {
		t.Errorf("%d cuboids, %v; want 61", len(cuboids), err)
	}
}
