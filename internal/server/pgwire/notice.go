package pgwire

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/query/source"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// Codes of notices.
const (
	codeNotice     = "00000"
	codeWarning    = "01000"
	codeIncomplete = "01T01" // an answer that lacks offsets
)

// note tells the client something besides answers.
func (x *session) note(severity, code, message string, rest ...string) {
	least, _ := x.set.get("client_min_messages")
	if least == "error" || least == "warning" && severity == notice {
		return
	}
	n := &pgproto3.NoticeResponse{Severity: severity, SeverityUnlocalized: severity, Code: code, Message: message}
	if len(rest) > 0 {
		n.Detail = rest[0]
	}
	if len(rest) > 1 {
		n.Hint = rest[1]
	}
	x.out.send(n)
}

// answers are rows of the engine.
type answers struct{ *query.Answer }

// tell says what an answer covers, as far as the session wants to know, and what the engine warns of.
func (x *session) tell(a *query.Answer) {
	if !x.set.is("tidemark.notices", "off") {
		always := x.set.is("tidemark.notices", "always")
		for _, t := range a.Tables {
			x.coverage(t, always)
		}
	}
	for _, w := range a.Warnings {
		x.note(warning, codeWarning, w)
	}
	for _, b := range a.Blocks {
		for _, n := range b.Notes {
			x.note(notice, codeNotice, n)
		}
	}
}

func (x *session) coverage(t query.TableReport, always bool) {
	c := &t.Completeness
	var lacks []string
	for _, n := range []struct {
		count int64
		what  string
	}{{c.Counts.Lost, "lost"}, {c.Counts.Skipped, "skipped"}, {c.Counts.Quarantined, "quarantined"}} {
		if n.count > 0 {
			lacks = append(lacks, fmt.Sprintf("%d %s", n.count, n.what))
		}
	}
	if len(lacks) == 0 && !c.Partial() && len(c.Elsewhere) == 0 && !always {
		return
	}
	about := fmt.Sprintf("table %s: %d events", t.Table, c.Counts.Events)
	if c.HasTime {
		about += ", complete to " + time.UnixMicro(c.Watermark).UTC().Format("2006-01-02 15:04:05.000")
	}
	if len(c.Idle) > 0 {
		about += fmt.Sprintf(", idle partitions %v", c.Idle)
	}
	if len(lacks) > 0 {
		about += "; offsets without an event: " + strings.Join(lacks, ", ")
	}
	if len(c.Elsewhere) > 0 {
		about += fmt.Sprintf("; without what other processes hold in memory of %d partitions", len(c.Elsewhere))
	}
	if !c.Partial() {
		x.note(notice, codeNotice, about, readers(c.Elsewhere)...)
		return
	}
	x.note(warning, codeIncomplete, about+fmt.Sprintf("; %d ranges of offsets are missing", len(c.Holes)), "missing: "+ranges(c.Holes),
		"tidemark table offsets says why")
}

// readers says who reads partitions whose newest events an answer lacks, if there are any.
func readers(list []source.Elsewhere) []string {
	if len(list) == 0 {
		return nil
	}
	var names []string
	of := map[string][]string{}
	for _, e := range list {
		name := cmp.Or(e.Address, e.Owner)
		if of[name] == nil {
			names = append(names, name)
		}
		of[name] = append(of[name], fmt.Sprint(e.Partition))
	}
	for i, name := range names {
		names[i] = fmt.Sprintf("%s reads partitions %s", name, strings.Join(of[name], ","))
	}
	return []string{strings.Join(names, "; ")}
}

// ranges lists the first few.
func ranges(list []segmenter.PartitionRange) string {
	const most = 10
	var out []string
	for i, r := range list {
		if i == most {
			out = append(out, fmt.Sprintf("and %d more", len(list)-i))
			break
		}
		out = append(out, r.String())
	}
	return strings.Join(out, ", ")
}

// Schema returns the columns.
func (a answers) Schema() *arrow.Schema { return a.Answer.Schema }
