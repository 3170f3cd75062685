package plan

import (
	"fmt"
	"time"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/query/duck"
)

// Names for tests outside of the package.

func StepOf(g cube.Grain, zone *time.Location) Step { return stepOf(g, zone) }
func Buckets(us, origin int64) Step                 { return buckets(us, origin) }

func (s Step) Divides(o Step, within Range) bool { return s.divides(o, within) }
func (s Step) Cuts(c int64) bool                 { return s.cuts(c) }
func (s Step) Around(c int64) Range              { return s.around(c) }

func (r Range) Split(cuts []int64) []Range     { return r.split(cuts) }
func (r Range) Minus(others []Range) []Range   { return r.minus(others) }
func Union(ranges []Range) []Range             { return union(ranges) }
func Common(a, b []Range) []Range              { return common(a, b) }
func CutsOf(ranges []Range) []int64            { return cuts(ranges) }
func (r *Relation) TermOf(e duck.Expr) Term    { return r.term(e) }
func (r *Relation) CondOf(e duck.Expr) *Cond   { return r.cond(e) }
func Chain(r *Relation, e duck.Expr) (ok bool) { _, ok = r.chainOf(e); return ok }

// Fold writes a constant as DuckDB writes its value.
func Fold(e duck.Expr) (string, bool) {
	c, ok := fold(e)
	if !ok {
		return "", false
	}
	us := func(layout string) string { return time.UnixMicro(c.n).UTC().Format(layout) }
	switch c.kind {
	case constNull:
		return "NULL", true
	case constBool:
		return fmt.Sprint(c.n == 1), true
	case constInt:
		return fmt.Sprint(c.n), true
	case constDecimal:
		return duck.Decimal{Unscaled: c.dec, Scale: c.scale}.String(), true
	case constFloat:
		return fmt.Sprint(c.f), true
	case constText:
		return c.s, true
	case constDate:
		return us("2006-01-02"), true
	case constTime:
		return us("2006-01-02 15:04:05.999999"), true
	case constZoned:
		return us("2006-01-02 15:04:05.999999+00"), true
	}
	return fmt.Sprintf("%d months %d days %d us", c.iv.months, c.iv.days, c.iv.us), true
}
