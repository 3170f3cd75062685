package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tidemarkdb/tidemark/internal/server"
)

func (a *app) cubePlan() *cobra.Command {
	c := &cobra.Command{
		Use: "plan FILE", Short: "Say what a build of a definition would make: cuboids, and their rows and bytes by a sample", Args: exactly("FILE"),
		Long: `Counts the cuboids of each aggregation group of a definition, and estimates their rows and bytes by a sample of the events that
are staged, when there are some. Nothing is made or changed. Rows are right where the sample has seen most values, and else within
the square root of how many times more events there are than in the sample.`,
		Example: "  tidemark cube plan clicks_cube.yaml\n  tidemark cube plan clicks_cube.yaml --events 100000000   a segment of so many events",
	}
	project := ofProject(c)
	events := c.Flags().Int64("events", 0, "estimate for a segment of so many events (default: all that are staged)")
	top := c.Flags().Int("top", 10, "how many of the largest cuboids to list")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if *events < 0 || *top < 0 {
			return usage("--events and --top are numbers not below 0")
		}
		body, name, err := a.readFile(args[0])
		if err != nil {
			return err
		}
		q := request{method: http.MethodPost, path: "/cubes/plan", query: queryOf("project", *project), body: body}
		if *events > 0 {
			q.query.Set("events", strconv.FormatInt(*events, 10))
		}
		var out server.CubePlan
		err = a.ask(cmd, false, q, &out)
		var refused *server.Error
		if errors.As(err, &refused) && len(refused.Problems) > 0 && !a.json() {
			return named(refused, name)
		}
		if err != nil {
			return err
		}
		return a.print(out, func(w io.Writer) error { return printCubePlan(w, out, *top) })
	}
	return c
}

func printCubePlan(w io.Writer, p server.CubePlan, top int) error {
	_, err := fmt.Fprintf(w, "cube %s/%s over table %s: %d cuboids\n", p.Project, p.Cube, p.Table, p.Cuboids)
	for i, n := range p.Groups {
		fmt.Fprintf(w, "  groups[%d]: %d cuboids\n", i, n)
	}
	for _, d := range p.Derived {
		fmt.Fprintf(w, "  %s: derived from %s (%s of lookup %s), in no cuboid and at no cost\n", d.Dimension, d.From, d.Column, d.Lookup)
	}
	if p.Sampled == 0 {
		_, err = fmt.Fprintln(w, "rows and bytes: not known, as no events of this version of the table are staged yet")
		return err
	}
	fmt.Fprintf(w, "for %d events, by a sample of %d: about %d rows, %s\n", p.Events, p.Sampled, p.Rows, bytesText(p.Bytes))
	top = min(top, len(p.Each))
	fmt.Fprintf(w, "the %d largest of them:\n", top)
	if err != nil {
		return err
	}
	return table(w, "CUBOID ROWS BYTES SHARE FROM DIMENSIONS", func(row func(...any)) {
		for _, c := range p.Each[:top] {
			dims := strings.Join(c.Dimensions, ",")
			if dims == "" {
				dims = "-"
			}
			row(c.Cuboid, c.Rows, bytesText(c.Bytes), fmt.Sprintf("%.1f%%", 100*float64(c.Bytes)/float64(max(1, p.Bytes))), c.Parent, dims)
		}
	})
}
