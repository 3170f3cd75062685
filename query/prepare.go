package query

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tidemarkdb/tidemark/query/duck"
	"github.com/tidemarkdb/tidemark/query/plan"
)

// planKey is a hash of a request.
type planKey [sha256.Size]byte

// maxPlanned is the longest text of which a plan is kept, in bytes: what is kept of plans has its bound in bytes by it.
const maxPlanned = 64 << 10

func planKeyOf(project string, r Request) planKey {
	return sha256.Sum256(fmt.Appendf(nil, "%q %d %s %t %s", project, len(r.SQL), r.SQL, r.Approximate, paramsKey(r.Params)))
}

// prepared is a statement and what is done for it, as long as no definition changes.
type prepared struct {
	id     int64  // of this plan, for good
	fixed  bool   // the answer is the same as long as events are
	random string // what of the statement gives another answer each time; "": nothing does
	names  *names
	text   string
	st     *plan.Statement
	rest   *duck.Statement // nil: the statement is its only block
	blocks []*blockPlan    // of st.Blocks
}

// preparedIDs number plans and blocks, for names of what is kept of them.
var preparedIDs atomic.Int64

// prepare reads and plans a statement, or finds it as it was planned before.
func (e *Engine) prepare(ctx context.Context, r Request) (*prepared, error) {
	project := projectOf(r)
	n, err := e.known.of(ctx, project)
	if err != nil {
		return nil, err
	}
	key := planKeyOf(project, r)
	if p, ok := e.plans.get(key); ok && p.names == n {
		e.m.plans.WithLabelValues("kept").Inc()
		for _, bp := range p.blocks {
			e.programs.add(bp, 0)
		}
		return p, nil
	}
	e.m.plans.WithLabelValues("made").Inc()
	s, err := e.db.Parse(ctx, r.SQL)
	if err != nil {
		return nil, err
	}
	root, err := bound(s.Query, s.Params, r.Params)
	if err != nil {
		return nil, err
	}
	root = e.nameItems(ctx, n, s, root)
	p := &prepared{id: preparedIDs.Add(1), names: n, text: r.SQL}
	asked := duck.Clone(root)
	p.st, err = plan.Analyse(root, n, plan.Options{
		Now: time.Now(), Functions: e.db.Functions(), Approximate: r.Approximate,
		Text: func(q duck.Query) (string, error) { return e.db.Text(ctx, q) },
	})
	if err != nil {
		return nil, inText(err, r.SQL)
	}
	p.fixed, p.random = e.fixed(asked, p.st), e.random(asked)
	for _, b := range p.st.Blocks {
		bp, err := e.planBlock(ctx, n, b)
		if err != nil {
			return nil, located(err, r.SQL)
		}
		p.blocks = append(p.blocks, bp)
	}
	if p.st.Whole == nil || p.blocks[0].answer == nil {
		p.st.Whole = nil
		if p.rest, err = e.db.Compile(ctx, p.st.Root); err != nil {
			return nil, inText(err, r.SQL)
		}
	}
	if !p.st.Timely && len(r.SQL) <= maxPlanned {
		for _, bp := range p.blocks {
			bp.keep(e)
		}
		e.plans.replace(key, p)
	}
	return p, nil
}

// inText says where in the text a mistake is.
func inText(err error, text string) error {
	var p *plan.Error
	if errors.As(err, &p) {
		return (&duck.Error{Kind: "binder", Message: p.Message, Hint: p.Hint, Offset: p.Pos}).In(text)
	}
	if d := new(duck.Error); errors.As(err, &d) {
		return d.In(text)
	}
	return err
}

// located gives an error of DuckDB, whose place is that in the text of the user, its line and column.
func located(err error, text string) error {
	var d *duck.Error
	if errors.As(err, &d) {
		return d.In(text)
	}
	return err
}
