package cube

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxProblems is how many complaints are reported at once: enough for one on every line that a person writes.
const maxProblems = 1000

// Problem is one complaint about a definition.
type Problem struct {
	Line    int    // in the source; 0 when there is none
	Path    string // of the key: columns[3].type; empty for the whole definition
	Message string // what is wrong
	Instead string // what to do or to write instead
}

// Error returns "columns[3].type: unknown type "integer": write int64".
func (p *Problem) Error() string {
	s := p.Message
	if p.Instead != "" {
		s += ": " + p.Instead
	}
	if p.Path != "" {
		s = p.Path + ": " + s
	}
	return s
}

// asProblem returns the Problem in err, or one with its text.
func asProblem(err error) Problem {
	var p *Problem
	if errors.As(err, &p) {
		return *p
	}
	return Problem{Message: err.Error()}
}

// DefinitionError holds every complaint about one definition, in the order of its lines.
type DefinitionError struct {
	Name     string // of the file; may be empty
	Problems []Problem
}

// Error returns one line a problem, each with file and line: "pageviews.yaml:12: columns[3].type: ...".
func (e *DefinitionError) Error() string {
	var b strings.Builder
	for i := range e.Problems {
		p := &e.Problems[i]
		if i > 0 {
			b.WriteByte('\n')
		}
		switch {
		case e.Name != "" && p.Line > 0:
			fmt.Fprintf(&b, "%s:%d: ", e.Name, p.Line)
		case e.Name != "":
			fmt.Fprintf(&b, "%s: ", e.Name)
		case p.Line > 0:
			fmt.Fprintf(&b, "line %d: ", p.Line)
		}
		b.WriteString(p.Error())
	}
	return b.String()
}

// definitionError returns nil when there are no problems.
func definitionError(name string, problems []Problem) error {
	if len(problems) == 0 {
		return nil
	}
	slices.SortStableFunc(problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	if more := len(problems) - maxProblems; more > 0 {
		problems = append(problems[:maxProblems], Problem{Message: fmt.Sprintf("and %d more complaints", more), Instead: "mend these first"})
	}
	return &DefinitionError{Name: name, Problems: problems}
}
