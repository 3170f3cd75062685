package cube

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Limits of a definition.
const (
	maxColumns     = 1000
	maxNotify      = 16
	maxTopic       = 249 // Kafka's limit
	maxText        = 256 // bytes of owner, webhook
	maxDefaultText = 4 << 10

	minRollBytes, maxRollBytes = 64 << 10, 1 << 30
	minRollRows, maxRollRows   = 1, 50_000_000
	minRollAge, maxRollAge     = 100 * time.Millisecond, 24 * time.Hour

	maxWindow                      = 1_000_000
	minRecordBytes, maxRecordBytes = 64, 256 << 20

	maxLateness = 365 * 24 * time.Hour
	maxAhead    = 100 * 365 * 24 * time.Hour
)

// Event times are kept in microseconds and compared in nanoseconds; these bounds fit both.
func minTime() time.Time { return time.Date(1700, 1, 1, 0, 0, 0, 0, time.UTC) }
func maxTime() time.Time { return time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC) }

// Validate checks the table with its defaults filled in. The error is a *DefinitionError with every complaint; its lines
// are 0.
func (t *Table) Validate() error {
	name := ""
	if t.Name != "" {
		name = "table " + t.Name
	}
	return definitionError(name, t.WithDefaults().problems())
}

// checker collects complaints.
type checker struct{ problems []Problem }

func (c *checker) add(path, message, instead string) {
	c.problems = append(c.problems, Problem{Path: path, Message: message, Instead: instead})
}

// addErr takes message and advice from err, if there is one.
func (c *checker) addErr(path string, err error) {
	if err != nil {
		p := asProblem(err)
		c.add(path, p.Message, p.Instead)
	}
}

// problems checks a table whose defaults are filled in.
func (t *Table) problems() []Problem {
	c := new(checker)
	c.name("table", t.Name)
	c.name("project", t.Project)
	c.topic(t.Topic)
	c.people(t)
	c.columns(t)
	c.paths(t.Columns)
	c.start(t.Start)
	c.eventTime(t)
	c.staging(t.Staging)
	c.quarantine(t.Quarantine)
	c.oneOf("on_loss", "policy", string(t.OnLoss), string(LossStop), string(LossSkip))
	if t.Version < 0 {
		c.add("version", "is below zero", "remove it: the catalog gives it")
	}
	if !plainText(t.ID) || len(t.ID) > maxText {
		c.add("id", "is no id", "remove it: the catalog gives it")
	}
	return c.problems
}

const nameRule = "(a to z, 0 to 9 and _, beginning with a letter, at most 63)"

func (c *checker) name(path, s string) {
	switch {
	case s == "":
		c.add(path, "missing", "write "+path+": page_views "+nameRule)
	case !validName(s):
		instead := "write a name like page_views "
		if n := toName(s); validName(n) {
			instead = "write " + n + " "
		}
		c.add(path, fmt.Sprintf("bad name %s", clip(s)), instead+nameRule)
	}
}

// clip quotes s for a message, shortened.
func clip(s string) string {
	if len(s) > 80 {
		return quote(s[:77]) + "..."
	}
	return quote(s)
}

func (c *checker) topic(s string) {
	const rule = "(letters, digits, dot, _ and -, at most 249)"
	switch {
	case s == "":
		c.add("topic", "missing", "write the name of one topic, such as topic: pageviews")
	case s == "." || s == "..":
		c.add("topic", fmt.Sprintf("Kafka refuses the name %q", s), "write the name of a topic "+rule)
	case len(s) > maxTopic || strings.ContainsFunc(s, func(r rune) bool { return !wordRune(r) && r != '.' && r != '-' }):
		c.add("topic", fmt.Sprintf("Kafka refuses the name %s", clip(s)), "write the name of one topic "+rule)
	}
}

func (c *checker) people(t *Table) {
	if len(t.Owner) > maxText || !plainText(t.Owner) {
		c.add("owner", "is too long or more than one line of text", fmt.Sprintf("write a name or an address of at most %d bytes", maxText))
	}
	if len(t.Notify) > maxNotify {
		c.add("notify", fmt.Sprintf("has %d addresses", len(t.Notify)), fmt.Sprintf("write at most %d", maxNotify))
		return
	}
	for i, s := range t.Notify {
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || len(s) > maxText || !plainText(s) {
			c.add(fmt.Sprintf("notify[%d]", i), fmt.Sprintf("%s is no web address", clip(s)), "write https://host/path")
		}
	}
}

func (c *checker) columns(t *Table) {
	if len(t.Columns) == 0 {
		c.add("columns", "missing", "write at least the event time: columns: [{name: ts, type: timestamp(ms)}]")
	}
	if len(t.Columns) > maxColumns {
		c.addErr("columns", columnsProblem(len(t.Columns)))
		return
	}
	first := map[string]int{} // SQL does not tell upper from lower case
	for i := range t.Columns {
		col, path := &t.Columns[i], fmt.Sprintf("columns[%d]", i)
		c.columnName(path+".name", col.Name)
		if at, ok := first[strings.ToLower(col.Name)]; !ok {
			first[strings.ToLower(col.Name)] = i
		} else if col.Name != "" {
			c.add(path+".name", fmt.Sprintf("%s is already the name of columns[%d]", clip(col.Name), at), "write another name (upper and lower case are the same in SQL); path may stay")
		}
		if _, err := ParsePath(col.Path); col.Path != col.Name {
			c.addErr(path+".path", err)
		}
		c.columnType(path, col)
	}
}

// columnsProblem is the one complaint about too many columns; what each of them says is not looked at then.
func columnsProblem(n int) error {
	return &Problem{Message: fmt.Sprintf("%d columns", n), Instead: fmt.Sprintf("write at most %d, and take the rest with include: [extra] or as json", maxColumns)}
}

func (c *checker) columnName(path, s string) {
	const rule = "(letters, digits and _, beginning with a letter, at most 63)"
	switch {
	case s == "":
		c.add(path, "missing", "write name: url")
	case strings.HasPrefix(s, "_"):
		c.add(path, fmt.Sprintf("%s is reserved: names of tidemark's own columns begin with _", clip(s)),
			"write "+orElse(toName(s), "another name")+", and path for where it stands in the event")
	case !validColumn(s):
		from, err := ParsePath(s)
		if err != nil {
			from = Path{{Key: s, Index: -1}}
		}
		instead := fmt.Sprintf("write {name: %s, path: %s}", orElse(toName(s), "url"), scalar(from.String()))
		if len(s) > maxName {
			instead = "write a shorter one, and path for where it stands in the event"
		}
		c.add(path, fmt.Sprintf("bad name %s %s", clip(s), rule), instead)
	}
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func (c *checker) columnType(path string, col *Column) {
	if col.Type == (Type{}) {
		c.add(path+".type", "missing", "write one of "+typeList)
	} else if err := col.Type.check(); err != nil {
		c.addErr(path+".type", err)
		return
	}
	c.oneOf(path+".null", "policy", string(col.Null), string(NullKeep), string(NullDefault), string(NullReject))
	switch {
	case col.Null != NullDefault:
		if col.Default != "" {
			c.add(path+".default", "a default is never used with null: "+string(col.Null), "remove one of the two")
		}
	case len(col.Default) > maxDefaultText:
		c.add(path+".default", fmt.Sprintf("has more than %d bytes", maxDefaultText), "write a shorter one")
	case col.Default == "" && col.Type.Kind != String:
		c.add(path+".null", "there is no default", "write default: and a value, or null: keep")
	default:
		c.addErr(path+".default", col.Type.checkText(col.Default))
	}
}

func (c *checker) start(s Start) {
	switch s.At {
	case startEarliest, startLatest:
		if !s.Time.IsZero() {
			c.add("start", "a time is given, but not used with "+s.At, "write the time alone, or "+s.At+" alone")
		}
	case startTime:
		if s.Time.Before(time.Unix(0, 0)) || !s.Time.Before(maxTime()) {
			c.add("start", fmt.Sprintf("no Kafka record is of %s", formatTime(s.Time)), "write earliest, latest or a time since 1970")
		}
	default:
		c.add("start", fmt.Sprintf("unknown start %s", clip(s.At)), "write earliest, latest or a time such as 2026-01-31T08:00:00Z")
	}
}

func (c *checker) oneOf(path, what, s string, known ...string) {
	for _, k := range known {
		if s == k {
			return
		}
	}
	c.addErr(path, unknownWord(what, s, known))
}

func (c *checker) staging(s Staging) {
	c.oneOf("staging.format", "format", string(s.Format), string(Parquet), string(NDJSON))
	limit[int64]{minRollBytes, maxRollBytes, formatSize}.check(c, "staging.roll.bytes", s.RollBytes)
	limit[int64]{minRollRows, maxRollRows, countText}.check(c, "staging.roll.rows", s.RollRows)
	limit[time.Duration]{minRollAge, maxRollAge, formatDuration}.check(c, "staging.roll.age", s.RollAge)
}

func (c *checker) quarantine(q QuarantinePolicy) {
	if !(q.MaxShare > 0 && q.MaxShare <= 1) {
		c.add("quarantine.max_share", fmt.Sprintf("%v is no share", q.MaxShare), shareHelp+"; 100% never stops the table")
	}
	limit[int64]{1, maxWindow, countText}.check(c, "quarantine.window", int64(q.Window))
	limit[int64]{minRecordBytes, maxRecordBytes, formatSize}.check(c, "quarantine.max_record_bytes", int64(q.MaxRecordBytes))
}

// limit is what a number may be, both ends included.
type limit[T int64 | time.Duration] struct {
	least, most T
	text        func(T) string
}

func (l limit[T]) check(c *checker, path string, v T) {
	if v < l.least || v > l.most {
		c.add(path, l.text(v)+" is outside the limits", fmt.Sprintf("write %s to %s", l.text(l.least), l.text(l.most)))
	}
}

func countText(n int64) string { return strconv.FormatInt(n, 10) }
