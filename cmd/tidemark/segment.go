package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidemarkdb/tidemark/internal/server"
)

// segmentCommand holds what is about segments.
func (a *app) segmentCommand() *cobra.Command {
	c := group("segment", "See, build, refresh, merge and drop segments of cubes")
	c.Long = "A segment is a contiguous offset range of a cube's table, built. Segments are cut, merged and retired by themselves, as the cube's\ndefinition says; these commands show them, and do the same by hand."
	c.Example = `  tidemark segment list clicks_cube                      the segments that there are
  tidemark segment build clicks_cube --wait              build what is new, up to the end of the topic
  tidemark segment build clicks_cube --start 0:100,1:90 --end 0:200,1:190 --dry-run
  tidemark segment refresh clicks_cube 12                build one again from its staged files
  tidemark segment merge clicks_cube 12 13 14
  tidemark segment holes clicks_cube --fill`
	c.AddCommand(a.segmentList(), a.segmentShow(), a.segmentBuild(),
		a.segmentChange("refresh", "Build segments again from their staged files"),
		a.segmentChange("merge", "Make one segment of neighbours"),
		a.segmentChange("drop", "Retire segments; with fill_holes on they are built anew"),
		a.segmentHoles(), a.segmentPlan())
	return c
}

func (a *app) segmentList() *cobra.Command {
	c := &cobra.Command{
		Use: "list [CUBE]", Short: "List segments, of one cube or of all", Args: atMost(1, "CUBE"),
		Long: "Lists the segments that are ready or being built, by number. START and END are offsets by partition, END exclusive; FROM and TO\nare the lowest and the highest event time, measured.",
	}
	project := ofProject(c)
	state := c.Flags().String("state", "", "new, ready or retired, several with commas between, or all (default new,ready)")
	from := c.Flags().String("from", "", "only those with events at or after this `TIME`")
	to := c.Flags().String("to", "", "only those with events before this `TIME`")
	limit := c.Flags().Int("limit", 0, "how many at most (default 10000 of a cube)")
	after := c.Flags().String("after", "", "go on behind this `CURSOR`, which the last list ended with")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		q := request{method: http.MethodGet, path: "/segments", query: queryOf("project", *project, "state", *state, "from", *from, "to", *to)}
		if len(args) == 1 {
			q.path = cubePath(args[0], "segments")
			if *after != "" {
				q.query.Set("after", *after)
			}
		}
		q.query.Set("limit", "10000")
		if *limit != 0 {
			q.query.Set("limit", strconv.Itoa(*limit))
		}
		var out server.Segments
		if err := a.ask(cmd, false, q, &out); err != nil {
			return err
		}
		return a.print(out, func(w io.Writer) error { return printSegments(w, out) })
	}
	return c
}

// atMost wants up to n arguments, which it names.
func atMost(n int, name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) <= n {
			return nil
		}
		return usage("%s wants at most one %s, got %d arguments: %s", cmd.CommandPath(), name, len(args), cmd.UseLine())
	}
}

func printSegments(w io.Writer, out server.Segments) error {
	if len(out.Segments) == 0 {
		_, err := fmt.Fprintln(w, "no segments")
		return err
	}
	err := table(w, "CUBE SEGMENT STATE VERSION START END EVENTS FROM TO JOB REASON", func(row func(...any)) {
		for _, s := range out.Segments {
			reason := s.Reason
			if s.Retired != "" {
				reason = s.Retired
			}
			row(s.Project+"/"+s.Cube, s.Number, s.State, s.Version, placesText(s.Start), placesText(s.End), s.Events,
				timeAtText(s.MinTime), timeAtText(s.MaxTime), s.Job, dash(oneLine(reason)))
		}
	})
	if err == nil && out.Next != "" {
		_, err = fmt.Fprintf(w, "more: --after %s\n", out.Next)
	}
	return err
}

// placesText is 0:1200,1:900, as --start takes it.
func placesText(at map[string]int64) string {
	names := make([]int, 0, len(at))
	for p := range at {
		n, _ := strconv.Atoi(p) // the server writes numbers
		names = append(names, n)
	}
	slices.Sort(names)
	parts := make([]string, 0, len(at))
	for _, p := range names {
		parts = append(parts, fmt.Sprintf("%d:%d", p, at[strconv.Itoa(p)]))
	}
	return dash(strings.Join(parts, ","))
}

func timeAtText(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return timeText(*t)
}

func (a *app) segmentShow() *cobra.Command {
	c := &cobra.Command{
		Use: "show CUBE SEGMENT", Short: "Show one segment, by its number, or the first 8 digits of its id", Args: exactly("CUBE", "SEGMENT"),
	}
	project := ofProject(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		var s server.Segment
		q := request{method: http.MethodGet, path: cubePath(args[0], "segments", url.PathEscape(args[1])), query: queryOf("project", *project)}
		if err := a.ask(cmd, false, q, &s); err != nil {
			return err
		}
		return a.print(s, func(w io.Writer) error {
			for _, line := range [][2]string{
				{"cube", fmt.Sprintf("%s/%s, version %d", s.Project, s.Cube, s.Version)},
				{"segment", fmt.Sprintf("%d, %s", s.Number, s.State)},
				{"id", dash(s.ID)},
				{"path", dash(s.Path)},
				{"range", s.Range.String()},
				{"events", fmt.Sprintf("%d, from %s to %s", s.Events, timeAtText(s.MinTime), timeAtText(s.MaxTime))},
				{"size", bytesText(s.Bytes)},
				{"cut", oneLine(s.Reason)},
				{"job", fmt.Sprint(s.Job)},
				{"created", timeText(s.CreatedAt)},
				{"published", timeText(s.PublishedAt)},
				{"retired", strings.TrimSpace(timeText(s.RetiredAt) + " " + oneLine(s.Retired))},
			} {
				if _, err := fmt.Fprintf(w, "%-10s %s\n", line[0], line[1]); err != nil {
					return err
				}
			}
			if s.Stale {
				fmt.Fprintln(w, "its inputs have changed since: it will be refreshed")
			}
			return nil
		})
	}
	return c
}

// asking are the flags of a request about segments.
type asking struct {
	project, key, plan *string
	dry, wait          *bool
	cube               string // whose builds under way are waited for when there is nothing new to build; else empty
}

func (a *app) asking(c *cobra.Command) asking {
	return asking{
		project: ofProject(c), key: keyFlag(c),
		plan: c.Flags().String("plan", "", "do only the plan with this `HASH`, which --dry-run has shown"),
		dry:  c.Flags().Bool("dry-run", false, "only show the plan, with its hash"),
		wait: c.Flags().Bool("wait", false, "end when its jobs have; exit code 1 if one of them failed"),
	}
}

func (a *app) segmentBuild() *cobra.Command {
	c := &cobra.Command{
		Use: "build CUBE", Short: "Build segments of new offsets", Args: exactly("CUBE"),
		Long:    "Builds from where the last segment ends to where the topic ends at this moment, or the range that is given: earliest, latest, a time,\nor offsets by partition (0:1200,1:900). What is not staged yet is waited for. A large range becomes several segments.\nWith --wait and nothing new, the builds that are under way are waited for.",
		Example: "  tidemark segment build clicks_cube --wait\n  tidemark segment build clicks_cube --start earliest --end 2026-01-31T06:00:00Z --dry-run",
	}
	start := c.Flags().String("start", "", "where to begin (default: where the last segment ends)")
	end := c.Flags().String("end", "", "where to end, exclusive (default: latest)")
	ask := a.asking(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		ask.cube = args[0]
		return a.requestSegments(cmd, ask, cubePath(args[0], "segments"), server.SegmentRequest{Start: *start, End: *end})
	}
	return c
}

// segmentChange is refresh, merge or drop.
func (a *app) segmentChange(action, short string) *cobra.Command {
	c := &cobra.Command{
		Use: action + " CUBE [SEGMENT...]", Short: short,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("%s wants CUBE and the numbers of segments, or CUBE with --from and --to: %s", cmd.CommandPath(), cmd.UseLine())
			}
			return nil
		},
		Example: "  tidemark segment " + action + " clicks_cube 12 13\n  tidemark segment " + action + " clicks_cube --from 2026-01-30 --to 2026-01-31 --dry-run",
	}
	from := c.Flags().String("from", "", "segments with events at or after this `TIME`, instead of numbers")
	to := c.Flags().String("to", "", "segments with events before this `TIME`, instead of numbers")
	ask := a.asking(c)
	c.RunE = func(cmd *cobra.Command, args []string) (err error) {
		q := server.SegmentRequest{}
		for _, text := range args[1:] {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil || n < 1 {
				return usage("%q is no number of a segment: tidemark segment list %s shows them", text, args[0])
			}
			q.Segments = append(q.Segments, n)
		}
		if q.From, err = timeFlag("from", *from); err != nil {
			return err
		}
		if q.To, err = timeFlag("to", *to); err != nil {
			return err
		}
		return a.requestSegments(cmd, ask, cubePath(args[0], "segments", action), q)
	}
	return c
}

func timeFlag(name, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, usage("--%s %q is no time: want one such as 2026-01-31T06:00:00Z, or a date", name, text)
}

func (a *app) segmentHoles() *cobra.Command {
	c := &cobra.Command{
		Use: "holes CUBE", Short: "List offsets between segments that nothing covers, and fill them", Args: exactly("CUBE"),
	}
	fill := c.Flags().Bool("fill", false, "build what the staged files hold of them, and ask for the rest to be read again from Kafka")
	ask := a.asking(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if *fill {
			return a.requestSegments(cmd, ask, cubePath(args[0], "holes"), server.SegmentRequest{})
		}
		if *ask.wait || *ask.dry || *ask.plan != "" || *ask.key != "" {
			return usage("--dry-run, --plan, --wait and --idempotency-key are of --fill")
		}
		var out server.Holes
		q := request{method: http.MethodGet, path: cubePath(args[0], "holes"), query: queryOf("project", *ask.project)}
		if err := a.ask(cmd, false, q, &out); err != nil {
			return err
		}
		return a.print(out, func(w io.Writer) error { return printHoles(w, out) })
	}
	return c
}

func printHoles(w io.Writer, out server.Holes) error {
	if len(out.Holes) == 0 {
		_, err := fmt.Fprintf(w, "cube %s/%s has no holes\n", out.Project, out.Cube)
		return err
	}
	return table(w, "START END AFTER BEFORE OFFSETS MISSING", func(row func(...any)) {
		for _, h := range out.Holes {
			var missing int64
			for _, r := range h.Missing {
				missing += r.Len()
			}
			row(placesText(h.Start), placesText(h.End), h.After, h.Before, h.Range.Len(), missing)
		}
	})
}

func (a *app) segmentPlan() *cobra.Command {
	c := &cobra.Command{
		Use: "plan CUBE", Short: "Say what would be done to a cube at this moment, what would not, and why", Args: exactly("CUBE"),
	}
	project := ofProject(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		var out server.Plan
		q := request{method: http.MethodGet, path: cubePath(args[0], "plan"), query: queryOf("project", *project)}
		if err := a.ask(cmd, false, q, &out); err != nil {
			return err
		}
		return a.print(out, func(w io.Writer) error { return printPlan(w, out) })
	}
	return c
}

func printPlan(w io.Writer, p server.Plan) error {
	for _, x := range p.Actions {
		line := x.Kind
		if len(x.Segments) > 0 {
			line += " " + strings.Trim(fmt.Sprint(x.Segments), "[]")
		}
		if len(x.Range) > 0 {
			line += " " + x.Range.String()
		}
		fmt.Fprintf(w, "%s: %s\n", line, oneLine(x.Reason))
	}
	if len(p.Actions) == 0 {
		fmt.Fprintln(w, "nothing to do")
	}
	for _, n := range p.Notes {
		fmt.Fprintf(w, "  %s\n", oneLine(n))
	}
	_, err := fmt.Fprintf(w, "plan %s of cube %s/%s\n", p.Hash, p.Project, p.Cube)
	return err
}
