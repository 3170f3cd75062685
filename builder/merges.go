package builder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/plan"
)

// merges adds the merges that the rules want, of segments that are not about to be built again. It returns how many
// segments the rules want replaced.
func (b *Builder) merges(ctx context.Context, s *state, p *Plan, m merging) (backlog int, err error) {
	rules, ok := mergeRules(s.Cube)
	if !ok {
		return 0, nil
	}
	soon := map[int64]string{} // segments that are to be refreshed, as if that were reserved already
	for _, a := range p.Actions {
		if a.Kind == KindRefresh {
			soon[a.Replaces[0]] = "it is about to be refreshed"
		}
	}
	for number := range s.bare {
		soon[number] = "its cuboids are to be built first"
	}
	segments := slices.Clone(m.segments)
	of := map[int64]segmenter.Segment{}
	for _, x := range m.segments {
		of[x.Number] = x
		if soon[x.Number] != "" {
			segments = append(segments, segmenter.Segment{State: segmenter.SegmentNew, Number: int64(1)<<62 + x.Number, Range: x.Range, Replaces: []int64{x.Number}})
		}
	}
	got, err := b.mergeable(ctx, s, of, plan.MergeInput{Rules: rules, Now: m.now, Segments: segments, Generations: s.g, Alike: s.versions.alike})
	if err != nil {
		return 0, err
	}
	for i, x := range got.Merges {
		backlog += len(x.Segments)
		if i >= m.room {
			p.Notes = append(p.Notes, fmt.Sprintf("merge of %v: later, as many segments wait to be built as may", x.Segments))
			continue
		}
		p.Actions = append(p.Actions, Action{Kind: KindMerge, Range: x.Range, Replaces: x.Segments, Version: newestVersion(x.Segments, of), Reason: "merge: " + x.Reason})
	}
	for _, l := range got.Left {
		p.Notes = append(p.Notes, fmt.Sprintf("segment %d is not merged: %s", l.Segment, cmp.Or(soon[l.Segment], l.Why)))
	}
	return backlog, nil
}

func newestVersion(numbers []int64, of map[int64]segmenter.Segment) (version int) {
	for _, n := range numbers {
		version = max(version, of[n].Version)
	}
	return version
}

// mergeable plans until no merge is in the plan that would fail, since a column's type has changed between its segments.
func (b *Builder) mergeable(ctx context.Context, s *state, of map[int64]segmenter.Segment, in plan.MergeInput) (plan.MergePlan, error) {
	for in.Apart = map[int64]string{}; ; {
		got, again := plan.Merges(in), false
		for _, x := range got.Merges {
			if s.tables == 1 || b.o.Engine == nil {
				break // nothing has changed, or nothing is made of columns
			}
			number, why, err := b.otherTypes(ctx, s, x.Segments, newestVersion(x.Segments, of))
			if err != nil {
				return got, err
			}
			if why != "" {
				in.Apart[number], again = why, true
			}
		}
		if !again {
			return got, nil
		}
	}
}

// otherTypes names the first of some segments that cannot be merged with those before it, as its columns have other types.
func (b *Builder) otherTypes(ctx context.Context, s *state, numbers []int64, version int) (number int64, why string, err error) {
	def, err := b.o.Catalog.CubeByID(ctx, s.Cube.ID, version)
	if err != nil {
		return 0, "", err
	}
	var read []int
	for i, n := range numbers {
		v, err := b.builtWith(ctx, s.Cube.ID, n)
		if err != nil {
			return 0, "", err
		}
		read = append(read, v)
		if i == 0 || v == 0 || slices.Contains(read[:i], v) {
			continue
		}
		var final *FinalError
		if _, err := b.tableOf(ctx, s.TableID, def, newestFirst(read), func(string, ...any) {}); errors.As(err, &final) {
			return n, final.Error(), nil
		} else if err != nil {
			return 0, "", err
		}
	}
	return 0, "", nil
}

// builtWith returns the version of the table that a segment was built with, as its manifest says; 0 where it does not, or is gone: the
// merge will say so. It is read once.
func (b *Builder) builtWith(ctx context.Context, cubeID string, number int64) (version int, err error) {
	key := goneKey{cubeID, number}
	b.upkeep.mu.Lock()
	version, ok := b.upkeep.types[key]
	b.upkeep.mu.Unlock()
	if ok {
		return version, nil
	}
	seg, err := b.o.Catalog.Segment(ctx, cubeID, number)
	if err != nil {
		return 0, err
	}
	m, err := b.readManifest(ctx, segmenter.SegmentFolder(seg.CubeID, seg.ID, seg.Attempt))
	var final *FinalError
	if errors.As(err, &final) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	b.upkeep.mu.Lock()
	defer b.upkeep.mu.Unlock()
	b.upkeep.types[key] = tableVersion(m)
	return b.upkeep.types[key], nil
}
