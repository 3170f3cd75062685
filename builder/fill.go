package builder

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/plan"
)

// KindReread is the kind of an action that asks the owner of a partition to read offsets again from Kafka. What it stages
// is built by a later plan.
const KindReread = "reread"

// Fill reserves segments over the holes of a cube that staged files hold. Offsets that they do not hold, or whose file is
// gone from the store, are asked for again; the hole is built once they are staged, by maintenance where the cube's
// fill_holes is on, else by the next Fill.
func (b *Builder) Fill(ctx context.Context, req Request) (Submitted, error) {
	return b.submit(ctx, req, KindFill, nil, func(ctx context.Context) (Plan, error) {
		s, err := b.snapshot(ctx, req.Project, req.Cube)
		if err != nil {
			return Plan{}, err
		}
		holes, err := b.holesOf(ctx, s, held{s.live, s.Start})
		if err != nil {
			return Plan{}, err
		}
		p := s.plan()
		whole, err := b.readAgain(ctx, s, &p, holes)
		if err != nil {
			return Plan{}, err
		}
		s.fill(&p, whole, b.room(s))
		return p, p.finish()
	})
}

// readAgain adds requests for what the store does not hold of holes, and returns the other holes.
func (b *Builder) readAgain(ctx context.Context, s *state, p *Plan, holes []plan.Hole) (whole []plan.Hole, err error) {
	asked := map[segmenter.PartitionRange]bool{} // one row may lie in two holes
	for _, h := range holes {
		lacks, err := b.lacks(ctx, s, p, h)
		if err != nil {
			return nil, err
		}
		if len(lacks) == 0 && h.Fillable() {
			whole = append(whole, h)
			continue
		}
		for _, r := range lacks {
			if asked[r] {
				continue
			}
			asked[r] = true
			p.Actions = append(p.Actions, Action{
				Kind: KindReread, Range: segmenter.Vector{r}, Reason: "hole " + h.Place() + ": read it again from Kafka",
			})
		}
		if len(lacks) > 0 {
			p.Notes = append(p.Notes, fmt.Sprintf("hole %s %s: built once its offsets are staged again", h.Range, h.Place()))
		}
	}
	return whole, nil
}

// lacks lists what is to be read again of a hole: what lies before a line's first offset, and whole rows whose file is
// gone. What is not committed yet is read in its turn, which a note says.
func (b *Builder) lacks(ctx context.Context, s *state, p *Plan, h plan.Hole) (list []segmenter.PartitionRange, err error) {
	for _, m := range h.Missing {
		for _, g := range s.g {
			switch {
			case !g.Range().SameLine(m):
			case m.Start < g.Start:
				m.End = g.Start // rows are added where they meet the first one
				list = append(list, m)
			default:
				p.Notes = append(p.Notes, fmt.Sprintf("%s of the hole %s is not committed yet: it is read in its turn", m, h.Place()))
			}
		}
	}
	type staged struct {
		r   segmenter.PartitionRange
		key string
	}
	var rows []staged
	for e, err := range b.o.Catalog.Inputs(ctx, s.TableID, h.Staged) {
		if err != nil {
			return nil, err
		}
		if e.File != nil {
			rows = append(rows, staged{e.Range, e.File.Key})
		}
	}
	for _, x := range rows {
		_, err := blob.Stat(ctx, b.o.Store, x.key)
		if errors.Is(err, blob.ErrNotFound) {
			list = append(list, x.r)
		} else if err != nil {
			return nil, fmt.Errorf("look up %s: %w", x.key, err)
		}
	}
	return list, nil
}
