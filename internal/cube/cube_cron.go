package cube

import (
	"fmt"
	"strconv"
	"strings"
)

// cronField is one of the five fields: its name, bounds, and words that stand for numbers from the lower bound on.
type cronField struct {
	name        string
	least, most int
	words       string
}

func cronFields() []cronField {
	return []cronField{
		{"minute", 0, 59, ""},
		{"hour", 0, 23, ""},
		{"day of month", 1, 31, ""},
		{"month", 1, 12, "jan feb mar apr may jun jul aug sep oct nov dec"},
		{"day of week", 0, 7, "sun mon tue wed thu fri sat"}, // 7 is sunday too
	}
}

const cronHelp = `write minute, hour, day of month, month, day of week: "0 * * * *" is every full hour, "30 6 * * mon-fri" half past six on workdays`

// checkCron complains about a cron line that is not five fields of *, numbers, ranges, steps and lists, or that never
// comes.
func checkCron(s string) error {
	bad := func(message, instead string) error { return &Problem{Message: message, Instead: instead} }
	fields := strings.Fields(s)
	switch {
	case s == "":
		return bad("missing", cronHelp)
	case len(s) > maxText:
		return bad(fmt.Sprintf("has more than %d bytes", maxText), "write ranges and steps: */5")
	case strings.HasPrefix(s, "@"):
		return cronMacro(s)
	case len(fields) == 6 || len(fields) == 7:
		return bad(fmt.Sprintf("%s has %d fields: seconds and years are not taken", clip(s), len(fields)), fmt.Sprintf("write %q if the first one is for seconds", strings.ReplaceAll(strings.Join(fields[1:6], " "), "?", "*")))
	case len(fields) != 5:
		return bad(fmt.Sprintf("%s has %d fields", clip(s), len(fields)), cronHelp)
	}
	sets := make([]uint64, 5)
	for i, f := range cronFields() {
		set, err := f.parse(strings.ToLower(fields[i]))
		if err != nil {
			return err
		}
		sets[i] = set
	}
	if strings.HasPrefix(fields[4], "*") && !cronHasDay(sets[2], sets[3]) {
		return bad(fmt.Sprintf("%s never comes: no such month has that day", clip(s)), "write another day of month")
	}
	return nil
}

func cronMacro(s string) error {
	p := &Problem{Message: fmt.Sprintf("%s is not taken", clip(s)), Instead: cronHelp}
	for _, m := range []struct{ word, cron string }{
		{"@hourly", "0 * * * *"},
		{"@daily", "0 0 * * *"},
		{"@midnight", "0 0 * * *"},
		{"@weekly", "0 0 * * 0"},
		{"@monthly", "0 0 1 * *"},
		{"@yearly", "0 0 1 1 *"},
		{"@annually", "0 0 1 1 *"},
	} {
		if strings.EqualFold(s, m.word) {
			p.Instead = fmt.Sprintf("write %q", m.cron)
		}
	}
	return p
}

// parse returns the numbers of a field as bits.
func (f cronField) parse(s string) (set uint64, err error) {
	for part := range strings.SplitSeq(s, ",") {
		span, step, hasStep := strings.Cut(part, "/")
		every := 1
		if hasStep {
			if every, err = strconv.Atoi(step); err != nil || every < 1 || every > f.most {
				return 0, f.problem(part, fmt.Sprintf("the step %s is not 1 to %d", clip(step), f.most))
			}
		}
		from, to := f.least, f.most
		if span != "*" {
			a, b, isRange := strings.Cut(span, "-")
			if from, err = f.number(a); err != nil {
				return 0, err
			}
			to = from
			if isRange {
				if to, err = f.number(b); err != nil {
					return 0, err
				}
				if to < from {
					return 0, f.problem(part, "the range runs backwards")
				}
			} else if hasStep {
				return 0, f.problem(part, fmt.Sprintf("a step needs a range, such as %d-%d/%d", from, f.most, every))
			}
		}
		for n := from; n <= to; n += every {
			set |= 1 << n
		}
	}
	return set, nil
}

func (f cronField) number(s string) (int, error) {
	for i, w := range strings.Fields(f.words) {
		if s == w {
			return f.least + i, nil
		}
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < f.least || n > f.most || !digits(s) {
		return 0, f.problem(s, "")
	}
	return n, nil
}

func (f cronField) problem(part, why string) error {
	instead := fmt.Sprintf("write *, or numbers from %d to %d: 5 or 1,2 or 1-5 or */2", f.least, f.most)
	if f.words != "" {
		instead += ", or " + strings.Join(strings.Fields(f.words)[:3], ", ") + " ..."
	}
	if part == "?" {
		instead = "write *"
	}
	message := fmt.Sprintf("%s is no %s", clip(part), f.name)
	if why != "" {
		message += ": " + why
	}
	return &Problem{Message: message, Instead: instead}
}

// cronHasDay reports whether one of the months has one of the days. February has 29 now and then.
func cronHasDay(days, months uint64) bool {
	lengths := []int{31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}
	for i, n := range lengths {
		upTo := uint64(1)<<(n+1) - 1
		if months&(1<<(i+1)) != 0 && days&upTo != 0 {
			return true
		}
	}
	return false
}
