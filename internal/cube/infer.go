package cube

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

const (
	defaultInferColumns = 200
	maxCommentColumn    = 72 // where comments begin at the latest, unless the line is longer
)

// Sample is a record that was read to guess a definition.
type Sample struct {
	Value       []byte // nil for a null value
	TimestampMs int64  // Kafka's; 0 or less when there is none
}

// InferOptions configure Infer. The zero value of a field means its default.
type InferOptions struct {
	Project    string // default: default
	Name       string // of the table; default: made from the topic's
	MaxColumns int    // default 200; the fields seen most often are taken, the rest goes to _extra
}

// Infer guesses a definition from records of a topic: columns, their types and the event time, each with the reason in a
// comment on its line. The YAML applies as it is; the table is what it says. One value in a hundred may be otherwise than
// the rest: it is taken for a bad record, and the comment says so.
//
// When no field looks like an event time, the YAML lacks that one line (it says where) and comes with an error; without a
// JSON object among the records there is only an error.
func Infer(topic string, samples []Sample, o InferOptions) ([]byte, *Table, error) {
	p := newProfile(samples)
	if err := p.usable(topic); err != nil {
		return nil, nil, err
	}
	inf := &inference{profile: p, maxColumns: o.MaxColumns}
	if inf.maxColumns <= 0 {
		inf.maxColumns = defaultInferColumns
	}
	inf.maxColumns = min(inf.maxColumns, maxColumns)
	inf.guessAll()
	t := &Table{Project: o.Project, Name: o.Name, Topic: topic}
	fill(&t.Name, orElse(toName(topic), "events"))
	inf.fillTable(t)
	text := inf.write(t)
	if len(inf.times) == 0 {
		return text, nil, inf.noEventTime(topic)
	}
	if err := t.Validate(); err != nil { // name, project or topic
		return nil, nil, err
	}
	t, err := ParseTable(text, "")
	if err != nil {
		return nil, nil, fmt.Errorf("table for topic %s: %w", topic, err)
	}
	return text, t, nil
}

// usable complains when there is no event among the records.
func (p *profile) usable(topic string) error {
	switch {
	case p.records == 0:
		return &Problem{Message: fmt.Sprintf("topic %s has no records to look at", topic), Instead: "produce some events, or write the definition by hand (docs/TABLES.md)"}
	case p.events == 0:
		return &Problem{
			Message: fmt.Sprintf("none of the %d records of topic %s is a JSON object: %s", p.records, topic, p.badText()),
			Instead: "tidemark reads JSON objects only; check the topic and how its producers serialize",
		}
	}
	return nil
}

func (p *profile) badText() string {
	var parts []string
	for _, b := range p.bad {
		parts = append(parts, fmt.Sprintf("%d %s", b.n, b.reason))
	}
	return strings.Join(parts, ", ")
}

// inference holds the guesses on their way to a definition.
type inference struct {
	*profile
	maxColumns int
	guesses    []*guess // one a column
	times      []candidate
	notes      []string // for the head of the file
	left       bool     // fields are left that got no column
}

func (inf *inference) guessAll() {
	for _, f := range inf.root.kids {
		inf.guessField(f)
	}
	inf.left = inf.dropped > 0
	inf.times = inf.eventTimes(inf.guesses)
	inf.limit()
	inf.name()
}

// limit keeps the fields seen most often, and the event time.
func (inf *inference) limit() {
	if len(inf.guesses) <= inf.maxColumns {
		return
	}
	keep := slices.Clone(inf.guesses)
	slices.SortStableFunc(keep, func(a, b *guess) int {
		return cmp.Or(cmp.Compare(inf.isEventTime(b), inf.isEventTime(a)), cmp.Compare(b.field.values(), a.field.values()))
	})
	kept := map[*guess]bool{}
	for _, g := range keep[:inf.maxColumns] {
		kept[g] = true
	}
	inf.left = true
	inf.guesses = slices.DeleteFunc(inf.guesses, func(g *guess) bool { return !kept[g] })
}

func (inf *inference) isEventTime(g *guess) int {
	if len(inf.times) > 0 && inf.times[0].field == g.field {
		return 1
	}
	return 0
}

// name gives every column a name of its own, from the keys on its path.
func (inf *inference) name() {
	taken := map[string]bool{}
	for _, g := range inf.guesses {
		keys := make([]string, len(g.field.path))
		for i, st := range g.field.path {
			keys[i] = st.Key
		}
		base := orElse(toName(strings.Join(keys, "_")), "field")
		name := base
		for n := 2; taken[name]; n++ {
			end := fmt.Sprintf("_%d", n)
			name = base[:min(len(base), maxName-len(end))] + end
		}
		taken[name] = true
		g.name = name
	}
}

func (inf *inference) fillTable(t *Table) {
	for _, g := range inf.guesses {
		t.Columns = append(t.Columns, Column{Name: g.name, Path: g.field.path.String(), Type: g.typ})
		if inf.isEventTime(g) == 1 {
			t.EventTime.Column = g.name
		}
	}
	t.Include.Extra = inf.left
}

// write adds the reasons to the definition.
func (inf *inference) write(t *Table) []byte {
	lines := strings.Split(strings.TrimSuffix(string(FormatTable(t)), "\n"), "\n")
	comments := make([]string, len(lines))
	width, column := 0, 0
	for i, l := range lines {
		switch {
		case strings.HasPrefix(l, "  - "):
			comments[i] = strings.Join(inf.guesses[column].notes, "; ")
			column++
		case strings.HasPrefix(l, "event_time:") && len(inf.times) == 0:
			lines[i] = "# event_time: {column: ?}"
			comments[i] = "no field looks like the time of the event: name a timestamp column here"
		case strings.HasPrefix(l, "event_time:"):
			comments[i] = inf.whyEventTime()
		case strings.HasPrefix(l, "include:"):
			comments[i] = "_extra keeps the fields that have no column"
		}
		if n := len(lines[i]); comments[i] != "" && n <= maxCommentColumn {
			width = max(width, n)
		}
	}
	var b strings.Builder
	for _, l := range inf.head(t.Topic) {
		b.WriteString("# " + l + "\n")
	}
	for i, l := range lines {
		if comments[i] != "" {
			l = fmt.Sprintf("%-*s  # %s", width, l, comments[i])
		}
		b.WriteString(l + "\n")
	}
	return []byte(b.String())
}

func (inf *inference) head(topic string) []string {
	from := fmt.Sprintf("Guessed from %s of topic %s", count(inf.records, "record"), scalar(topic))
	if inf.span() > 0 {
		from += fmt.Sprintf(", produced within %s", roughly(inf.span()))
	}
	lines := []string{from + "."}
	if len(inf.bad) > 0 {
		lines = append(lines, fmt.Sprintf("Unreadable: %s. Such records are quarantined.", inf.badText()))
	}
	if inf.events < 100 {
		lines = append(lines, fmt.Sprintf("Only %s: check types and nulls by hand.", count(inf.events, "event")))
	}
	return append(lines, inf.notes...)
}

func (inf *inference) whyEventTime() string {
	first := inf.times[0]
	why := []string{first.fit.explain()}
	if timeRank(first.field.path) == rankEvent {
		why[0] += ", and named like the time of the event"
	}
	var others []string
	for _, c := range inf.times[1:] {
		for _, g := range inf.guesses {
			if g.field == c.field && len(others) < 3 {
				others = append(others, fmt.Sprintf("%s (%s)", g.name, c.fit.explain()))
			}
		}
	}
	if missing := inf.events - first.field.values(); missing > 0 {
		why = append(why, fmt.Sprintf("%s of the events have none and would be quarantined", share(missing, inf.events)))
	}
	if len(others) > 0 {
		why = append(why, "also times: "+strings.Join(others, ", "))
	}
	return strings.Join(why, "; ")
}

func (inf *inference) noEventTime(topic string) error {
	p := &Problem{
		Message: fmt.Sprintf("no field of topic %s looks like the time of the event (RFC 3339, a date, or a number near Kafka's timestamp)", topic),
		Instead: "name a timestamp column in event_time, or let the producers add one",
	}
	var named []string
	for _, g := range inf.guesses {
		if timeRank(g.field.path) <= rankNamed && len(named) < 3 {
			named = append(named, fmt.Sprintf("%s (%s)", g.name, g.typ))
		}
	}
	if len(named) > 0 {
		p.Message += "; by their names it could be " + orList(named)
	}
	return p
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// share writes a part of a whole as a percentage, never rounded to nothing or to all.
func share(part, whole int) string {
	v := 100 * float64(part) / float64(whole)
	switch {
	case part == whole:
		return "100%"
	case v < 0.1:
		return "under 0.1%"
	case v < 10:
		return fmt.Sprintf("%.1f%%", v)
	}
	return fmt.Sprintf("%.0f%%", min(v, 99))
}
