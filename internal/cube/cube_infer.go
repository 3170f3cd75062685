package cube

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"
)

// Limits of a proposed cube: what a person would write. MaxCuboids is far above them.
const (
	maxProposedDimensions = 20
	maxProposedCuboids    = 512
	maxProposedValues     = 200 // of a dimension, in the sample
	fewValues             = 8   // so few are a dimension even where each is seen but twice
	maxProposedDistinct   = 4   // measures count_distinct
	maxProposedTops       = 2
	maxProposedNumbers    = 6
	segmentEvents         = 100_000 // about so many should come together before a segment is cut
)

// InferCube guesses a cube over t from records of its topic: columns with few values become dimensions, the others what is
// measured, each with the reason in a comment on its line. The YAML applies as it is, once the table is there; the cube is
// what it says. The error says why there is no event among the records.
func InferCube(t *Table, samples []Sample) ([]byte, *Cube, error) {
	p := newProfile(samples)
	if err := p.usable(t.Topic); err != nil {
		return nil, nil, err
	}
	t = t.WithDefaults()
	inf := &cubeInference{profile: p, table: t, taken: map[string]bool{}, columns: map[string]bool{}}
	inf.cube = &Cube{Project: t.Project, Table: t.Name, Name: t.Name[:min(len(t.Name), maxName-len("_cube"))] + "_cube"}
	for _, c := range t.Columns {
		inf.columns[strings.ToLower(c.Name)] = true
	}
	inf.times()
	inf.sortColumns()
	inf.addDimensions()
	inf.addMeasures()
	inf.addGroup()
	inf.addRules()
	text := inf.write()
	c, err := ParseCube(text, "", t)
	if err != nil {
		return nil, nil, fmt.Errorf("cube for topic %s: %w", t.Topic, err)
	}
	return text, c, nil
}

// cubeInference holds the guesses on their way to a definition.
type cubeInference struct {
	*profile
	table   *Table
	cube    *Cube
	columns map[string]bool // names of the table's columns, in lower case
	taken   map[string]bool // names of dimensions and measures, in lower case

	groupable, ranked, counted, numbers []proposal
	why                                 map[string][]string // section -> comments of its lines
	left                                []string            // columns in neither, with the reason
}

// proposal is a column of the table with what the sample says of it.
type proposal struct {
	column Column
	field  *field
	values int // not null
	unlike int // different ones; a lower bound from maxDistinct on
}

// unique gives a dimension or measure a name that nothing else has. own is the column whose name it may have.
func (inf *cubeInference) unique(name, own string, measure bool) string {
	name = name[:min(len(name), maxName)]
	free := func(s string) bool {
		low := strings.ToLower(s)
		return !inf.taken[low] && (measure || s == own || !inf.columns[low])
	}
	out := name
	for n := 2; !free(out); n++ {
		end := fmt.Sprintf("_%d", n)
		out = name[:min(len(name), maxName-len(end))] + end
	}
	inf.taken[strings.ToLower(out)] = true
	return out
}

func (inf *cubeInference) dimension(d Dimension, why string) {
	own := d.Column
	if d.Grain != "" {
		own = ""
	}
	d.Name = inf.unique(d.defaultName(), own, false)
	inf.cube.Dimensions = append(inf.cube.Dimensions, d)
	inf.say("dimensions", why)
}

func (inf *cubeInference) measure(m Measure, why string) {
	m.Name = inf.unique(m.defaultName(), "", true)
	inf.cube.Measures = append(inf.cube.Measures, m)
	inf.say("measures", why)
}

func (inf *cubeInference) say(section, why string) {
	if inf.why == nil {
		inf.why = map[string][]string{}
	}
	inf.why[section] = append(inf.why[section], why)
}

// times makes dimensions of the event time, coarse to fine.
func (inf *cubeInference) times() {
	name := inf.table.EventTime.Column
	for _, c := range inf.table.Columns {
		switch {
		case c.Name != name:
		case c.Type.Kind == Date:
			inf.dimension(Dimension{Column: name}, "the event time, which is a day")
		default:
			inf.dimension(Dimension{Column: name, Grain: Day}, "the event time; days are of time_zone, which is UTC")
			inf.dimension(Dimension{Column: name, Grain: Hour}, "add minute("+name+") below it where charts are finer; it makes cuboids larger")
		}
	}
}

// sortColumns decides what each column is good for, by its type and by how many different values the sample has.
func (inf *cubeInference) sortColumns() {
	for _, c := range inf.table.Columns {
		f := inf.byPath[c.Path]
		if c.Name == inf.table.EventTime.Column {
			continue
		}
		if f == nil || f.values() == 0 {
			inf.leave(c, "without a value in the sample")
			continue
		}
		p := proposal{c, f, f.values(), len(f.distinct)}
		switch c.Type.Kind {
		case Bool, String, Date:
			inf.sortWords(p)
		case Int64:
			inf.sortWhole(p)
		case Float64, Decimal:
			inf.numbers = append(inf.numbers, p)
		case Timestamp:
			inf.leave(c, "another time: nearly as many values as events")
		default:
			inf.leave(c, "json cannot be grouped by or added up: take what is in it with paths of the table's columns")
		}
	}
}

func (inf *cubeInference) leave(c Column, why string) { inf.left = append(inf.left, c.Name+": "+why) }

// groups reports whether grouping by the column makes fewer rows: few values, each seen more than once.
func (p proposal) groups() bool {
	return p.unlike <= maxProposedValues && p.unlike*4 <= p.values || p.unlike <= fewValues && p.unlike*2 <= p.values
}

func (inf *cubeInference) sortWords(p proposal) {
	switch {
	case p.unlike == 1 && p.values > 1:
		inf.leave(p.column, "always the same in the sample")
	case p.groups():
		inf.groupable = append(inf.groupable, p)
	case p.unlike == p.values:
		inf.leave(p.column, "another value in each event")
	case p.unlike*2 <= p.values && p.column.Type.Kind == String:
		inf.ranked = append(inf.ranked, p)
	default:
		inf.counted = append(inf.counted, p)
	}
}

// sortWhole tells codes and numbers of things from amounts.
func (inf *cubeInference) sortWhole(p proposal) {
	switch {
	case isID(p.column.Name) && p.unlike == p.values:
		inf.leave(p.column, "another value in each event")
	case isID(p.column.Name) && !p.groups():
		inf.counted = append(inf.counted, p)
	case p.unlike == 1 && p.values > 1:
		inf.leave(p.column, "always the same in the sample")
	case p.groups() && (isID(p.column.Name) || p.unlike <= 32 && p.unlike*10 <= p.values && !isAmount(p.column.Name)):
		inf.groupable = append(inf.groupable, p)
	default:
		inf.numbers = append(inf.numbers, p)
	}
}

func hasWord(name string, words ...string) bool {
	return slices.ContainsFunc(strings.Split(toName(name), "_"), func(w string) bool { return slices.Contains(words, w) })
}

func isID(name string) bool { return hasWord(name, "id", "uuid", "key", "hash", "no") }

func isAmount(name string) bool {
	return isDuration(name) || hasWord(name, "count", "bytes", "size", "amount", "price", "total", "quantity", "qty", "sum", "score", "length")
}

func isDuration(name string) bool {
	return hasWord(name, "ms", "us", "ns", "latency", "duration", "elapsed", "seconds", "millis", "took", "time")
}

func (inf *cubeInference) addDimensions() {
	slices.SortStableFunc(inf.groupable, func(a, b proposal) int { return cmp.Compare(a.unlike, b.unlike) })
	for i, p := range inf.groupable {
		if i >= maxProposedDimensions {
			inf.leave(p.column, fmt.Sprintf("%d values; %d columns with fewer are dimensions already", p.unlike, maxProposedDimensions))
			continue
		}
		inf.dimension(Dimension{Column: p.column.Name}, p.text())
	}
}

// text says what was counted.
func (p proposal) text() string {
	if p.unlike >= maxDistinct {
		return fmt.Sprintf("over %d values in %s", maxDistinct, count(p.values, "event"))
	}
	return fmt.Sprintf("%s in %s", count(p.unlike, "value"), count(p.values, "event"))
}

func (inf *cubeInference) addMeasures() {
	inf.measure(Measure{Function: Count}, "")
	for i, p := range inf.numbers {
		name := p.column.Name
		switch {
		case i >= maxProposedNumbers:
			inf.leave(p.column, "a number more: add the measures that you want")
		case isDuration(name):
			inf.measure(Measure{Function: Avg, Column: name}, p.span())
			inf.measure(Measure{Function: Max, Column: name}, "")
			inf.measure(Measure{Function: Percentile, Column: name}, "any percentile; the largest of these states")
		default:
			inf.measure(Measure{Function: Sum, Column: name}, p.span())
			inf.measure(Measure{Function: Max, Column: name}, "")
		}
	}
	for i, p := range inf.ranked {
		if i >= maxProposedTops {
			inf.counted = append(inf.counted, p)
			continue
		}
		inf.measure(Measure{Function: TopN, By: []string{p.column.Name}}, p.text()+": too many for a dimension, the most frequent are kept")
	}
	for i, p := range inf.counted {
		if i >= maxProposedDistinct {
			inf.leave(p.column, p.text()+": too many for a dimension")
			continue
		}
		inf.measure(Measure{Function: CountDistinct, Column: p.column.Name}, p.text()+": too many for a dimension; about 1.6% off")
	}
}

// span says between what the numbers lie.
func (p proposal) span() string {
	if p.field.low > p.field.top {
		return ""
	}
	return numberText(p.field.low) + " to " + numberText(p.field.top)
}

// addGroup keeps the cuboids few: grains of the time in a hierarchy, and a cap where the dimensions are many.
func (inf *cubeInference) addGroup() {
	var g Group
	var why []string
	if d := inf.cube.Dimensions; len(d) > 1 && d[1].Grain == Hour {
		g.Hierarchy = [][]string{{d[0].Name, d[1].Name}}
		why = append(why, "no hour without its day")
	}
	inf.cube.Groups = []Group{g}
	of := inf.cube.lattice().groups[0]
	n := of.count(of.limit)
	if n > maxProposedCuboids {
		g.DimCap = max(of.capFor(maxProposedCuboids), bits.OnesCount64(of.mandatory)+1)
		inf.cube.Groups = []Group{g}
		why = append(why, fmt.Sprintf("all combinations would be %d cuboids; a query takes the smallest that has its dimensions, else the one of all", n))
	}
	cuboids := inf.cube.lattice().masks()
	inf.say("groups", strings.Join(append(why, fmt.Sprintf("%d cuboids, of at most %d", len(cuboids), MaxCuboids)), "; "))
}

// addRules says when to cut: once about segmentEvents have come, within an hour.
func (inf *cubeInference) addRules() {
	rate := 0.0
	if s := inf.profile.span(); s > 0 {
		rate = float64(inf.records) / s.Seconds()
	}
	age := defaultCutAge
	if rate > 0 {
		ages := []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour}
		i := slices.IndexFunc(ages, func(d time.Duration) bool { return rate*d.Seconds() >= segmentEvents })
		if age = time.Hour; i >= 0 {
			age = ages[i]
		}
		inf.say("cut", fmt.Sprintf("the sample came at about %.0f events a second; queries see events before they are cut", max(rate, 1)))
	} else {
		inf.say("cut", "queries see events before they are cut")
	}
	inf.cube.Cut = CutRules{Age: age}
	inf.say("merge", "at most so many segments of each age; older ones become fewer and larger")
}

// write adds the reasons to the definition.
func (inf *cubeInference) write() []byte {
	var b strings.Builder
	for _, l := range inf.head() {
		b.WriteString("# " + l + "\n")
	}
	lines := strings.Split(strings.TrimSuffix(string(FormatCube(inf.cube)), "\n"), "\n")
	comments := make([]string, len(lines))
	section, at, width := "", 0, 0
	for i, l := range lines {
		if item := strings.HasPrefix(l, "  - "); item && at < len(inf.why[section]) {
			comments[i], at = inf.why[section][at], at+1
		} else if !item {
			section, _, _ = strings.Cut(l, ":")
			at = 0
			if whole := inf.why[section]; section == "cut" || section == "merge" {
				comments[i] = whole[0]
			}
		}
		if n := len(l); comments[i] != "" && n <= maxCommentColumn {
			width = max(width, n)
		}
	}
	for i, l := range lines {
		if comments[i] != "" {
			l = fmt.Sprintf("%-*s  # %s", width, l, comments[i])
		}
		b.WriteString(l + "\n")
	}
	return []byte(b.String())
}

func (inf *cubeInference) head() []string {
	lines := []string{
		fmt.Sprintf("Guessed from %s of topic %s. Dimensions are what has few values: tidemark cube plan tells", count(inf.records, "record"), scalar(inf.table.Topic)),
		"what they cost, once something is staged.",
	}
	if inf.events < 100 {
		lines = append(lines, fmt.Sprintf("Only %s: check by hand what has few values.", count(inf.events, "event")))
	}
	if len(inf.left) > 0 {
		lines = append(lines, "Left out, so that only staged files answer questions about them:")
	}
	for i, l := range inf.left {
		if i == maxProposedDimensions {
			lines = append(lines, fmt.Sprintf("  and %d more", len(inf.left)-i))
			break
		}
		lines = append(lines, "  "+l)
	}
	return lines
}
