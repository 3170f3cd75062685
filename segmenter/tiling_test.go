package segmenter

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// The files under testdata/tiling hold ledgers that a person can read. A row is written as
//
//	p0.g1 [0,10) staged events=8 times=1..2 gap[2,3) quarantined[5,6)
//
// in any order of the parts behind the state. "tiling" checks the rows alone, "line p0 [0,10)" that they tile this range.
func TestTilingPlans(t *testing.T) {
	datadriven.Walk(t, "testdata/tiling", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var rows []LedgerRow
			for text := range strings.Lines(d.Input) {
				rows = append(rows, parseRow(t, strings.TrimSpace(text)))
			}
			var problems []Problem
			switch d.Cmd {
			case "tiling":
				problems = CheckTiling(rows)
			case "line":
				var end int64
				d.ScanArgs(t, "end", &end)
				problems = CheckLine(PartitionRange{End: end}, rows)
			default:
				d.Fatalf(t, "unknown command %q", d.Cmd)
			}
			var out strings.Builder
			for _, p := range problems {
				fmt.Fprintln(&out, p)
			}
			if len(problems) == 0 {
				return "ok\n"
			}
			return out.String()
		})
	})
}

func parseRow(t *testing.T, text string) LedgerRow {
	t.Helper()
	parts := strings.Fields(text)
	var r LedgerRow
	if _, err := fmt.Sscanf(parts[0], "p%d.g%d", &r.Range.Partition, &r.Range.Generation); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	if _, err := fmt.Sscanf(parts[1], "[%d,%d)", &r.Range.Start, &r.Range.End); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	r.State = RowState(parts[2])
	for _, p := range parts[3:] {
		var x Exception
		if n, _ := fmt.Sscanf(p, "events=%d", &r.Events); n == 1 {
			continue
		}
		if n, _ := fmt.Sscanf(p, "times=%d..%d", &r.MinTimeUs, &r.MaxTimeUs); n == 2 {
			continue
		}
		kind, run, _ := strings.Cut(p, "[")
		if _, err := fmt.Sscanf(run, "%d,%d)", &x.Start, &x.End); err != nil {
			t.Fatalf("%q: %v", p, err)
		}
		x.Kind = ExceptionKind(kind)
		r.Exceptions = append(r.Exceptions, x) // not by Add: wrong lists must reach the check
	}
	return r
}
