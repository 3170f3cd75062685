package pageviews

import "strings"

// Column is one of the 14 declared columns: its name, its path in the record and the text form of its type.
type Column struct{ Name, Path, Type string }

// Columns returns the declared columns in order.
func Columns() []Column {
	return []Column{
		{"ts", "ts", "timestamp(rfc3339)"},
		{"event_id", "event_id", "string"},
		{"page_url", "page.url", "string"},
		{"section", "page.section", "string"},
		{"visitor_id", "visitor.id", "string"},
		{"country", "visitor.country", "string"},
		{"lang", "visitor.lang", "string"},
		{"device_type", "device.type", "string"},
		{"os", "device.os", "string"},
		{"browser", "device.browser", "string"},
		{"referrer", "referrer.domain", "string"},
		{"latency_ms", "latency_ms", "int64"},
		{"bytes", "bytes", "int64"},
		{"is_bounce", "is_bounce", "bool"},
	}
}

// TableYAML is the definition of a table over a topic of page views, as `tidemark table apply -f` reads it. Both names
// must be plain (letters, digits, underscores, dots, dashes).
func TableYAML(table, topic string) string {
	var b strings.Builder
	b.WriteString("# Page views: " + topic + "\n")
	b.WriteString("table: " + table + "\ntopic: " + topic + "\n")
	b.WriteString("event_time:\n  column: ts\n  lateness: 10m\ncolumns:\n")
	for _, c := range Columns() {
		b.WriteString("  - {name: " + c.Name + ", path: " + c.Path + ", type: " + c.Type + "}\n")
	}
	b.WriteString("staging:\n  format: parquet\n")
	return b.String()
}
