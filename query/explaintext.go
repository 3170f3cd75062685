package query

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// maxListed is how many spans of segments a text lists of each kind.
const maxListed = 20

// Text writes the explanation for people.
func (x *Explanation) Text(w io.Writer) error {
	for i := range x.Blocks {
		x.Blocks[i].text(w, x.Rest != "")
	}
	for _, s := range x.Scans {
		fmt.Fprintf(w, "events of %s, because %s\n", s.Table, s.Reason)
		show(w, "columns", strings.Join(s.Columns, ", "))
		show(w, "time", s.Time)
	}
	if x.Rest != "" {
		fmt.Fprintf(w, "rest        %s\n", x.Rest)
	}
	if x.Raw != nil {
		fmt.Fprintf(w, "events      of %s are read\n", x.Raw)
	}
	if x.Refused != "" {
		fmt.Fprintf(w, "refused     %s\n", x.Refused)
	}
	return nil
}

// show writes a line, unless it has no text.
func show(w io.Writer, name, text string) {
	if text != "" {
		fmt.Fprintf(w, "  %-9s %s\n", name, text)
	}
}

// text writes a block; named says that the rest calls it by its name.
func (b *BlockExplanation) text(w io.Writer, named bool) {
	name := "block"
	if named {
		name += " " + b.Name
	}
	fmt.Fprintf(w, "%s over %s\n", name, b.Table)
	show(w, "groups", strings.Join(b.Groups, ", "))
	show(w, "computes", strings.Join(b.Aggregates, ", "))
	if b.Where != "true" {
		show(w, "where", b.Where)
	}
	show(w, "time", b.Time)
	if b.Cube == "" {
		show(w, "events", "are read, because "+b.Lacks)
		return
	}
	show(w, "cube", b.Cube)
	show(w, "others", b.Lacks)
	show(w, "singly", strings.Join(b.Single, ", "))
	b.cuboids(w)
	if n := len(b.Pruned); n > 0 {
		show(w, "pruned", fmt.Sprintf("%s, of which no event counts", segmentsText(b.Pruned)))
	}
	show(w, "staged", fmt.Sprintf("%s that no segment holds, %s in memory", counted(b.Uncovered, "range of offsets", "ranges of offsets"), counted(b.TailEvents, "event", "events")))
}

// cuboids writes which cuboid is read of which segments: those with the same choice together.
func (b *BlockExplanation) cuboids(w io.Writer) {
	type choice struct{ cuboid, other, lacks, why string }
	var order []choice
	of := map[choice][]SegmentExplanation{}
	for _, s := range b.Kept {
		c := choice{cuboid: s.Cuboid, other: s.Other, lacks: s.Lacks}
		if s.Cuboid == "" {
			c = choice{why: s.Why}
		}
		if of[c] == nil {
			order = append(order, c)
		}
		of[c] = append(of[c], s)
	}
	for i, c := range order {
		if i == maxListed {
			show(w, "", fmt.Sprintf("and %d more choices", len(order)-i))
			return
		}
		if c.cuboid == "" {
			show(w, "files", fmt.Sprintf("staged ones of %s, because %s", segmentsText(of[c]), c.why))
			continue
		}
		rows := int64(0)
		for _, s := range of[c] {
			rows += s.Rows
		}
		text := fmt.Sprintf("%s, %s in %s", c.cuboid, counted(rows, "row", "rows"), segmentsText(of[c]))
		switch {
		case c.lacks != "":
			text += fmt.Sprintf("; the smaller %s lacks %s", c.other, c.lacks)
		case c.other != "":
			text += "; next would be " + c.other
		}
		show(w, "cuboid", text)
	}
}

// segmentsText names segments by their numbers.
func segmentsText(of []SegmentExplanation) string {
	var numbers []int64
	for _, s := range of {
		numbers = append(numbers, s.Segment)
	}
	slices.Sort(numbers)
	var spans []string
	for i := 0; i < len(numbers); {
		end := i
		for end+1 < len(numbers) && numbers[end+1] == numbers[end]+1 {
			end++
		}
		text := fmt.Sprint(numbers[i])
		if end > i {
			text += fmt.Sprintf("-%d", numbers[end])
		}
		spans, i = append(spans, text), end+1
	}
	if len(spans) > maxListed {
		spans = append(spans[:maxListed], "...")
	}
	name := "segment "
	if len(numbers) > 1 {
		name = fmt.Sprintf("%d segments: ", len(numbers))
	}
	return name + strings.Join(spans, ", ")
}

func counted[N int | int64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
