package doctor

import (
	"fmt"
	"time"

	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// diagnoseLookup says how a lookup table fares, and whether it is refreshed as its definition says.
func diagnoseLookup(v catalog.LookupVersion, now time.Time) (f Finding, blocked bool) {
	l := v.Lookup
	f = Finding{Project: l.Project, Kind: "lookup", Name: l.Name}
	name := "lookup table " + l.Project + "/" + l.Name
	succeeded := time.UnixMicro(v.Refresh.RefreshedUs).UTC().Format(time.RFC3339)
	every := l.Query.Interval()
	switch {
	case l.Query == nil:
		f.Says = fmt.Sprintf("%s is made of a file: version %d has %d rows", name, l.Version, v.Rows)
	case v.Refresh.Failures > 0:
		f.Blocked, f.Command, f.Quotes = true, "tidemark lookup refresh "+l.Name+flag(l.Project), v.Refresh.Problem
		f.Says = fmt.Sprintf("%s is as it was at %s: its query has failed %d times since: %s", name, succeeded, v.Refresh.Failures, v.Refresh.Problem)
	case every > 0 && now.Sub(time.UnixMicro(v.Refresh.TriedUs)) > every+silent:
		f.Blocked, f.Command = true, "tidemark serve"
		f.Says = fmt.Sprintf("%s is as it was at %s: no process refreshes it every %s", name, succeeded, l.Query.Every)
	default:
		f.Says = fmt.Sprintf("%s is a snapshot of a query: version %d has %d rows and was right at %s", name, l.Version, v.Rows, succeeded)
	}
	return f, f.Blocked
}
