package cube

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
)

// SameDefinition reports whether a and b say the same, whatever their ids and versions. A setting left out and a setting
// that has its default are the same.
func SameDefinition(a, b *Table) bool { return bytes.Equal(a.canonical(), b.canonical()) }

// Digest returns the hex of a sha256 over the definition without id and version: equal for what SameDefinition calls the
// same.
func (t *Table) Digest() string {
	sum := sha256.Sum256(t.canonical())
	return hex.EncodeToString(sum[:])
}

func (t *Table) canonical() []byte {
	c := t.WithDefaults()
	c.ID, c.Version = "", 0
	if math.IsNaN(c.Quarantine.MaxShare) || math.IsInf(c.Quarantine.MaxShare, 0) {
		c.Quarantine.MaxShare = -1 // JSON has neither, and Validate refuses all three
	}
	b, err := json.Marshal(c)
	if err != nil {
		panic(fmt.Sprintf("C3: a table has no JSON form: %v", err))
	}
	return b
}

// Diff says in words what turns a into b, one line a change, in the order of FormatTable.
func Diff(a, b *Table) []string {
	a, b = a.WithDefaults(), b.WithDefaults()
	var out []string
	before, after := a.settings(), b.settings()
	for i := range before {
		if before[i].text != after[i].text {
			out = append(out, before[i].name+": "+change(before[i].text, after[i].text))
		}
	}
	return append(out, diffColumns(a.Columns, b.Columns)...)
}

func change(from, to string) string {
	switch {
	case from == "":
		return "set to " + to
	case to == "":
		return from + " is removed"
	}
	return from + " becomes " + to
}

type setting struct{ name, text string }

// settings lists all but the columns, always in the same order.
func (t *Table) settings() []setting {
	e, s, q := t.EventTime, t.Staging, t.Quarantine
	return []setting{
		{"table", t.Name},
		{"project", t.Project},
		{"topic", t.Topic},
		{"owner", t.Owner},
		{"notify", strings.Join(t.Notify, ", ")},
		{"start", startText(t.Start)},
		{"event_time.column", e.Column},
		{"event_time.lateness", formatDuration(e.Lateness)},
		{"event_time.earliest", formatTime(e.Earliest)},
		{"event_time.latest", formatTime(e.Latest)},
		{"event_time.max_ahead", formatDuration(e.MaxAhead)},
		{"include", strings.Join(t.Include.names(), ", ")},
		{"staging.format", string(s.Format)},
		{"staging.roll.bytes", formatSize(s.RollBytes)},
		{"staging.roll.rows", fmt.Sprint(s.RollRows)},
		{"staging.roll.age", formatDuration(s.RollAge)},
		{"quarantine.max_share", formatShare(q.MaxShare)},
		{"quarantine.window", fmt.Sprint(q.Window)},
		{"quarantine.max_record_bytes", formatSize(int64(q.MaxRecordBytes))},
		{"on_loss", string(t.OnLoss)},
	}
}

func diffColumns(a, b []Column) (out []string) {
	old := map[string]*Column{}
	for i := range a {
		old[a[i].Name] = &a[i]
	}
	kept := map[string]bool{}
	var order []string // of the kept columns, as they stand in b
	for i := range b {
		c := &b[i]
		o := old[c.Name]
		if o == nil {
			out = append(out, fmt.Sprintf("column %s: new, %s", c.Name, c.describe()))
			continue
		}
		kept[c.Name] = true
		order = append(order, c.Name)
		out = append(out, diffColumn(o, c)...)
	}
	var was []string
	for i := range a {
		if kept[a[i].Name] {
			was = append(was, a[i].Name)
		} else {
			out = append(out, fmt.Sprintf("column %s: removed, was %s", a[i].Name, a[i].describe()))
		}
	}
	if !slices.Equal(was, order) {
		out = append(out, "columns: another order")
	}
	return out
}

func diffColumn(a, b *Column) (out []string) {
	for _, d := range []struct{ what, from, to string }{
		{"path", a.Path, b.Path},
		{"type", a.Type.String(), b.Type.String()},
		{"null", a.nullText(), b.nullText()},
	} {
		if d.from != d.to {
			out = append(out, fmt.Sprintf("column %s: %s %s becomes %s", b.Name, d.what, d.from, d.to))
		}
	}
	return out
}

func (c *Column) nullText() string {
	if c.Null == NullDefault {
		return "default " + scalar(c.Default)
	}
	return string(c.Null)
}

func (c *Column) describe() string {
	s := c.Type.String() + " from " + c.Path
	if c.Null != NullKeep {
		s += ", null: " + c.nullText()
	}
	return s
}
