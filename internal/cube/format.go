package cube

import (
	"fmt"
	"strings"
)

// FormatTable writes the definition in YAML, short: settings that have their default are left out, but for those of
// staging and lateness, which people look for. ParseTable reads it back as t.WithDefaults().
func FormatTable(t *Table) []byte {
	t = t.WithDefaults()
	var b strings.Builder
	line := func(key, value, byDefault string) {
		if value != byDefault {
			fmt.Fprintf(&b, "%s: %s\n", key, value)
		}
	}
	line("table", scalar(t.Name), "")
	line("project", scalar(t.Project), defaultProject)
	line("id", scalar(t.ID), `""`)
	line("version", fmt.Sprint(t.Version), "0")
	line("topic", scalar(t.Topic), "")
	line("owner", scalar(t.Owner), `""`)
	line("notify", flowList(t.Notify), "[]")
	line("start", startText(t.Start), startEarliest)
	line("event_time", t.EventTime.flow(), "")
	b.WriteString("columns:\n")
	for i := range t.Columns {
		fmt.Fprintf(&b, "  - %s\n", t.Columns[i].flow())
	}
	line("include", flowList(t.Include.names()), "[]")
	s := t.Staging
	line("staging", fmt.Sprintf("{format: %s, roll: {bytes: %s, rows: %d, age: %s}}",
		scalar(string(s.Format)), formatSize(s.RollBytes), s.RollRows, formatDuration(s.RollAge)), "")
	line("quarantine", t.Quarantine.flow(), "{}")
	line("on_loss", scalar(string(t.OnLoss)), string(LossStop))
	return []byte(b.String())
}

func startText(s Start) string {
	if s.At == startTime {
		return formatTime(s.Time)
	}
	return scalar(s.At)
}

// flow collects the keys of {a: b, c: d}.
type flow []string

func (f *flow) add(key, value, byDefault string) {
	if value != byDefault {
		*f = append(*f, key+": "+value)
	}
}

func (f flow) String() string { return "{" + strings.Join(f, ", ") + "}" }

func (e EventTime) flow() string {
	var f flow
	f.add("column", scalar(e.Column), "")
	f.add("lateness", formatDuration(e.Lateness), "")
	f.add("earliest", formatTime(e.Earliest), formatTime(defaultEarliest()))
	f.add("latest", formatTime(e.Latest), formatTime(defaultLatest()))
	f.add("max_ahead", formatDuration(e.MaxAhead), formatDuration(defaultMaxAhead))
	return f.String()
}

func (c Column) flow() string {
	var f flow
	f.add("name", scalar(c.Name), "")
	f.add("path", scalar(c.Path), scalar(c.Name))
	f.add("type", scalar(c.Type.String()), "")
	switch c.Null {
	case NullKeep:
	case NullDefault:
		f.add("default", defaultText(c), "")
	default:
		f.add("null", scalar(string(c.Null)), "")
	}
	return f.String()
}

// defaultText leaves numbers bare, for the eye; everything is read as text.
func defaultText(c Column) string {
	switch c.Type.Kind {
	case Bool, Int64, Float64, Decimal:
		if c.Type.checkText(c.Default) == nil {
			return c.Default
		}
	}
	return scalar(c.Default)
}

func (q QuarantinePolicy) flow() string {
	var f flow
	f.add("max_share", formatShare(q.MaxShare), formatShare(defaultMaxShare))
	f.add("window", fmt.Sprint(q.Window), fmt.Sprint(defaultWindow))
	f.add("max_record_bytes", formatSize(int64(q.MaxRecordBytes)), formatSize(defaultRecordBytes))
	return f.String()
}

func flowList(items []string) string {
	texts := make([]string, len(items))
	for i, s := range items {
		texts[i] = scalar(s)
	}
	return "[" + strings.Join(texts, ", ") + "]"
}
