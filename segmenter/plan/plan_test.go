package plan

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// The files under testdata hold plans that a person can read. What a cube has is set by four commands and stays until
// it is set again:
//
//	generations     p0 [0,100) closed, one a line; the open ones end where reading has come
//	front           p0 [10,10) p1 [5,5), or none
//	segments        1 ready v1 p0 [0,10) p1 [5,9) events=12 times=20T10:00..20T10:05 replaces=3
//	                series 2..9 p0 [10,90) step=5m from=20T10:05     (equal segments, one after another)
//	rows            p0 [0,10) staged times=20T10:00..20T10:05, in the same words; lost and skipped rows have no times
//
// Times are of November 2026, day and clock in UTC. An event count that is not given is the number of offsets. All other
// commands are plans: they change nothing.
type state struct {
	front       segmenter.Vector
	segments    []segmenter.Segment
	generations segmenter.Generations
	rows        []segmenter.LedgerRow
}

func TestPlans(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var s state
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			out, err := s.run(t, d)
			if err != nil {
				return "refused: " + strings.ReplaceAll(err.Error(), "\n", "\nrefused: ") + "\n"
			}
			return strings.TrimSuffix(out, "\n") + "\n"
		})
	})
}

func (s *state) run(t *testing.T, d *datadriven.TestData) (string, error) {
	now := timeArg(t, d, "now", "21T12:00")
	switch d.Cmd {
	case "generations":
		s.generations = nil
		for text := range strings.Lines(d.Input) {
			r := parseRanges(t, text)[0]
			s.generations = append(s.generations, segmenter.Generation{
				Partition: r.Partition, Generation: r.Generation, Start: r.Start, End: r.End, Closed: strings.Contains(text, "closed"),
			})
		}
		return "ok", s.generations.Validate()
	case "front":
		if s.front = nil; d.Input != "none" {
			s.front = parseRanges(t, d.Input)
		}
		return "ok", s.front.Validate()
	case "segments":
		s.segments = nil
		for text := range strings.Lines(d.Input) {
			s.segments = append(s.segments, parseSegments(t, text)...)
		}
		return "ok", nil
	case "rows":
		s.rows = nil
		for text := range strings.Lines(d.Input) {
			s.rows = append(s.rows, parseRow(t, text))
		}
		return "ok", nil
	case "merge":
		return s.merge(t, d, now)
	case "cut":
		p, err := Cuts(s.cutInput(t, d, now))
		return p.String(), err
	case "request":
		return s.request(t, d, now)
	case "holes":
		var b strings.Builder
		for _, h := range (Holder{Front: s.front, Segments: s.segments, Generations: s.generations}).Holes(s.rows) {
			fmt.Fprintln(&b, h)
		}
		if b.Len() == 0 {
			return "none", nil
		}
		return b.String(), nil
	case "pick":
		return s.pick(t, d)
	case "retire":
		p := Retire(RetireRules{Keep: durationArg(t, d, "keep"), FromNewest: d.HasArg("from-newest")}, now, s.segments)
		return fmt.Sprintf("retire %s\n%s", numbers(p.Retire), p.Why), nil
	case "refresh":
		return s.refresh(t, d)
	case "slice":
		p := Slice(SliceInput{
			Window: windowArg(t, d), Span: durationArg(t, d, "span"), RowsPerBuild: intArg(d, "rows-per-build", 0),
			Room: int(intArg(d, "room", 10)), Segments: s.segments, Rows: s.rows, By: "ann",
		})
		return p.String(), nil
	}
	d.Fatalf(t, "unknown command %q", d.Cmd)
	return "", nil
}

func (s *state) merge(t *testing.T, d *datadriven.TestData, now time.Time) (string, error) {
	rules := MergeRules{Volatile: durationArg(t, d, "volatile"), MaxRows: intArg(d, "max-rows", 0)}
	for _, a := range d.CmdArgs {
		for _, v := range a.Vals {
			switch a.Key {
			case "ranges":
				rules.TimeRanges = append(rules.TimeRanges, parseDuration(t, v))
			case "budget": // 7d:4
				age, n, _ := strings.Cut(v, ":")
				b := AgeBudget{Segments: atoi(t, n)}
				if age != "rest" {
					b.YoungerThan = parseDuration(t, age)
				}
				rules.Budget = append(rules.Budget, b)
			}
		}
	}
	in := MergeInput{Rules: rules, Now: now, Segments: s.segments, Generations: s.generations, Alike: map[int]int{}, Apart: map[int64]string{}}
	for _, a := range d.CmdArgs {
		for _, v := range a.Vals {
			switch a.Key {
			case "alike":
				in.Alike[atoi(t, v)] = 1
			case "apart":
				in.Apart[int64(atoi(t, v))] = "it has another type"
			}
		}
	}
	p := Merges(in)
	return p.String(), nil
}

func (s *state) cutInput(t *testing.T, d *datadriven.TestData, now time.Time) CutInput {
	in := CutInput{
		Now: now, Since: timeArg(t, d, "since", "21T11:00"), Bytes: intArg(d, "bytes", 0), Room: int(intArg(d, "room", 10)),
		Generations: s.generations,
		Rules: CutRules{
			Age: durationArg(t, d, "age"), Rows: intArg(d, "rows", 0), Bytes: intArg(d, "max-bytes", 0),
			RowsPerBuild: intArg(d, "rows-per-build", 0),
		},
	}
	for _, a := range d.CmdArgs {
		if a.Key != "cron" {
			continue
		}
		spec, zone, _ := strings.Cut(strings.Trim(a.Vals[0], "'"), "@")
		loc, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		c, err := ParseCron(strings.ReplaceAll(spec, "_", " "), loc)
		if err != nil {
			t.Fatal(err)
		}
		in.Rules.Crons = append(in.Rules.Crons, c)
	}
	in.From = NextStart(s.segments, places(t, d, "initial"), s.generations)
	return in
}

func (s *state) request(t *testing.T, d *datadriven.TestData, now time.Time) (string, error) {
	req := Request{By: "ann", Start: places(t, d, "start"), End: places(t, d, "end")}
	p, err := Requested(s.cutInput(t, d, now), req, s.segments)
	var taken *OverlapError
	if errors.As(err, &taken) && taken.Segment == 0 {
		t.Fatalf("%v names no segment", err)
	}
	return p.String(), err
}

func (s *state) pick(t *testing.T, d *datadriven.TestData) (string, error) {
	var b strings.Builder
	for _, p := range Pick(s.segments, windowArg(t, d)) {
		fmt.Fprintf(&b, "segment %d:", p.Segment.Number)
		for _, part := range p.Parts {
			fmt.Fprintf(&b, " p%d.g%d", part.Partition, part.Generation)
		}
		b.WriteByte('\n')
	}
	if b.Len() == 0 {
		return "none", nil
	}
	return b.String(), nil
}

func (s *state) refresh(t *testing.T, d *datadriven.TestData) (string, error) {
	in := RefreshInput{
		Segments: s.segments, Version: int(intArg(d, "version", 0)), Room: int(intArg(d, "room", 10)),
		Changed: make(map[int64]string), Gone: make(map[int64]string), Reported: make(map[int64]bool), Same: make(map[int]bool),
	}
	for _, a := range d.CmdArgs {
		for _, v := range a.Vals {
			switch n, _ := strconv.ParseInt(v, 10, 64); a.Key {
			case "same":
				in.Same[int(n)] = true
			case "changed":
				in.Changed[n] = "requeue 7"
			case "gone":
				in.Gone[n] = "2 staged files are gone"
			case "reported":
				in.Reported[n] = true
			}
		}
	}
	if p := Refreshes(in); p.String() != "" {
		return p.String(), nil
	}
	return "nothing", nil
}

var (
	rangeText  = regexp.MustCompile(`p(\d+)(?:\.g(\d+))? \[(\d+),(\d+)\)`)
	seriesText = regexp.MustCompile(`^series (\d+)\.\.(\d+) `)
)

func parseRanges(t *testing.T, text string) segmenter.Vector {
	t.Helper()
	var v segmenter.Vector
	for _, m := range rangeText.FindAllStringSubmatch(text, -1) {
		r := segmenter.PartitionRange{Partition: int32(atoi(t, m[1])), Start: int64(atoi(t, m[3])), End: int64(atoi(t, m[4]))}
		if m[2] != "" {
			r.Generation = int32(atoi(t, m[2]))
		}
		v = append(v, r)
	}
	if len(v) == 0 {
		t.Fatalf("no range in %q", text)
	}
	return v
}

func parseSegments(t *testing.T, text string) []segmenter.Segment {
	t.Helper()
	v := parseRanges(t, text)
	if m := seriesText.FindStringSubmatch(text); m != nil {
		lo, hi := atoi(t, m[1]), atoi(t, m[2])
		step := parseDuration(t, option(text, "step"))
		at := parseTime(t, option(text, "from"))
		out := Split(v, (v.Len()-1)/int64(hi-lo+1)+1, hi-lo+1)
		var segments []segmenter.Segment
		for i, piece := range out {
			segments = append(segments, segment(int64(lo+i), segmenter.SegmentReady, piece, at, at.Add(step-time.Microsecond)))
			at = at.Add(step)
		}
		return segments
	}
	f := strings.Fields(text)
	var lo, hi time.Time
	if span := option(text, "times"); span != "" {
		a, b, _ := strings.Cut(span, "..")
		lo, hi = parseTime(t, a), parseTime(t, b)
	}
	s := segment(int64(atoi(t, f[0])), segmenter.SegmentState(f[1]), v, lo, hi)
	if s.Version = 1; strings.HasPrefix(f[2], "v") {
		s.Version = atoi(t, f[2][1:])
	}
	if s.State == segmenter.SegmentNew {
		s.Events, s.Parts = 0, nil
	}
	if n := option(text, "events"); n != "" {
		s.Events = int64(atoi(t, n))
	}
	if n := option(text, "replaces"); n != "" {
		for x := range strings.SplitSeq(n, ",") {
			s.Replaces = append(s.Replaces, int64(atoi(t, x)))
		}
	}
	if s.Events == 0 {
		s.MinTimeUs, s.MaxTimeUs = 0, 0
	}
	return []segmenter.Segment{s}
}

// segment returns one whose parts all have its times.
func segment(n int64, state segmenter.SegmentState, v segmenter.Vector, lo, hi time.Time) segmenter.Segment {
	s := segmenter.Segment{
		CubeID: "c1", Number: n, State: state, Version: 1, Range: v, Events: v.Len(),
		MinTimeUs: lo.UnixMicro(), MaxTimeUs: hi.UnixMicro(),
	}
	for _, r := range v {
		m := segmenter.Measure{Events: r.Len()}
		if m.Events > 0 {
			m.MinTimeUs, m.MaxTimeUs = s.MinTimeUs, s.MaxTimeUs
		}
		s.Parts = append(s.Parts, segmenter.PartMeasure{Partition: r.Partition, Generation: r.Generation, Measure: m})
	}
	return s
}

func parseRow(t *testing.T, text string) segmenter.LedgerRow {
	t.Helper()
	row := segmenter.LedgerRow{Range: parseRanges(t, text)[0], State: segmenter.Lost}
	switch {
	case strings.Contains(text, "skipped"):
		row.State = segmenter.Skipped
	case strings.Contains(text, "staged"):
		row.State, row.Events = segmenter.Staged, row.Range.Len()
		if span := option(text, "times"); span != "" {
			a, b, _ := strings.Cut(span, "..")
			row.MinTimeUs, row.MaxTimeUs = parseTime(t, a).UnixMicro(), parseTime(t, b).UnixMicro()
		}
	}
	return row
}

// option returns the value of key=value in text.
func option(text, key string) string {
	for _, f := range strings.Fields(text) {
		if v, ok := strings.CutPrefix(f, key+"="); ok {
			return v
		}
	}
	return ""
}

func parseTime(t *testing.T, s string) time.Time {
	t.Helper()
	for _, layout := range []string{"02T15:04", "02T15:04:05", "02T15:04:05.000000"} {
		if at, err := time.Parse("2006-01-"+layout, "2026-11-"+s); err == nil {
			return at
		}
	}
	t.Fatalf("time %q", s)
	return time.Time{}
}

func parseDuration(t *testing.T, s string) time.Duration {
	t.Helper()
	if n, ok := strings.CutSuffix(s, "d"); ok {
		return time.Duration(atoi(t, n)) * 24 * time.Hour
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func atoi(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func textArg(d *datadriven.TestData, key string) string {
	for _, a := range d.CmdArgs {
		if a.Key == key && len(a.Vals) > 0 {
			return a.Vals[0]
		}
	}
	return ""
}

func intArg(d *datadriven.TestData, key string, or int64) int64 {
	if n, err := strconv.ParseInt(textArg(d, key), 10, 64); err == nil {
		return n
	}
	return or
}

func durationArg(t *testing.T, d *datadriven.TestData, key string) time.Duration {
	if v := textArg(d, key); v != "" {
		return parseDuration(t, v)
	}
	return 0
}

func timeArg(t *testing.T, d *datadriven.TestData, key, or string) time.Time {
	if v := textArg(d, key); v != "" {
		or = v
	}
	return parseTime(t, or)
}

// windowArg reads from=A to=B, half-open, or min=A max=B, closed.
func windowArg(t *testing.T, d *datadriven.TestData) Window {
	switch {
	case d.HasArg("from"):
		return HalfOpen(timeArg(t, d, "from", "").UnixMicro(), timeArg(t, d, "to", "").UnixMicro())
	case d.HasArg("min"):
		return Window{MinUs: timeArg(t, d, "min", "").UnixMicro(), MaxUs: timeArg(t, d, "max", "").UnixMicro()}
	}
	return AllTime()
}

// places reads key=(0:10,1:20) or, with a generation, 0.1:10.
func places(t *testing.T, d *datadriven.TestData, key string) segmenter.Vector {
	var v segmenter.Vector
	for _, a := range d.CmdArgs {
		if a.Key != key {
			continue
		}
		for _, val := range a.Vals {
			line, at, _ := strings.Cut(val, ":")
			p, g, ok := strings.Cut(line, ".")
			r := segmenter.PartitionRange{Partition: int32(atoi(t, p)), Start: int64(atoi(t, at)), End: int64(atoi(t, at))}
			if ok {
				r.Generation = int32(atoi(t, g))
			}
			v = append(v, r)
		}
	}
	return v
}
