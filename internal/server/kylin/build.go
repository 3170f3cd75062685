package kylin

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidemarkdb/tidemark/internal/server"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
	"github.com/tidemarkdb/tidemark/segmenter/plan"
)

// latest is Kylin's way to say "to where the topic ends".
const latest = math.MaxInt64

// maxBuilding is kylin.cube.building.segment.max.
const maxBuilding = 10

// offsetRequest is the body of build2.
type offsetRequest struct {
	Start          long            `json:"sourceOffsetStart"`
	End            long            `json:"sourceOffsetEnd"`
	PartitionStart map[string]long `json:"sourcePartitionOffsetStart"`
	PartitionEnd   map[string]long `json:"sourcePartitionOffsetEnd"`
	BuildType      string          `json:"buildType"`
}

// timeRequest is the body of build.
type timeRequest struct {
	Start     long   `json:"startTime"` // ms
	End       long   `json:"endTime"`
	BuildType string `json:"buildType"`
}

// request completes a request about segments.
func (h *Handler) request(r *http.Request, w *world, q server.SegmentRequest) server.SegmentRequest {
	q.Project, q.Cube, q.By = w.Cube.Project, w.Cube.Name, by(r)
	if key := r.Header.Get("Idempotency-Key"); key != "" {
		q.Key = catalog.Idempotency{Key: q.By + "/" + q.Project + "/" + key}
	}
	return q
}

func (h *Handler) buildByOffset(_ http.ResponseWriter, r *http.Request) (any, error) {
	var q offsetRequest
	if err := readBody(r, &q); err != nil {
		return nil, err
	}
	w, err := h.find(r)
	if err != nil {
		return nil, err
	}
	start, end := int64(q.Start), int64(q.End)
	switch q.BuildType {
	case "BUILD":
		want, err := q.positions()
		if err != nil {
			return nil, err
		}
		return h.build(r, w, want)
	case "REFRESH":
		return h.refresh(r, w, func(s catalog.SegmentEntry) bool { return w.has(s.Range, start, end) }, fmt.Sprintf("offsets %d_%d", start, end))
	case "MERGE":
		return h.merge(r, w, func(s catalog.SegmentEntry) bool {
			from, to := w.sums(s.Range)
			return start <= from && to <= end
		}, fmt.Sprintf("Range [%d,%d)", start, end))
	}
	return nil, wrongType(q.BuildType)
}

func wrongType(text string) error {
	return said("No enum constant CubeBuildTypeEnum.%s: buildType must be BUILD, MERGE or REFRESH", text)
}

// positions are those of a build: offsets by partition where they are given, else the sums. 0 goes on where the last
// segment ends.
func (q *offsetRequest) positions() (want server.SegmentRequest, err error) {
	if q.End <= 0 || q.Start >= q.End || q.Start < 0 {
		return want, said("'startOffset' need be smaller than 'endOffset'")
	}
	if q.Start > 0 {
		if want.Start, err = position(q.Start, q.PartitionStart, "start"); err != nil {
			return want, err
		}
	}
	if q.End != latest {
		want.End, err = position(q.End, q.PartitionEnd, "end")
	}
	return want, err
}

func position(sum long, by map[string]long, name string) (string, error) {
	if len(by) == 0 {
		return strconv.FormatInt(int64(sum), 10), nil
	}
	names := make([]string, 0, len(by))
	var total int64
	for p, o := range by {
		names = append(names, p)
		if total += int64(o); o < 0 || total < 0 {
			return "", fmt.Errorf("the offsets of sourcePartitionOffset%s do not fit in 64 bits, or are below 0", name)
		}
	}
	if total != int64(sum) {
		return "", said("Sum of all partition offsets is not equal with source offset %s: %d and %d", name, total, sum)
	}
	slices.Sort(names)
	parts := make([]string, 0, len(by))
	for _, p := range names {
		parts = append(parts, fmt.Sprintf("%s:%d", p, by[p]))
	}
	return strings.Join(parts, ","), nil
}

func (h *Handler) buildByTime(_ http.ResponseWriter, r *http.Request) (any, error) {
	var q timeRequest
	if err := readBody(r, &q); err != nil {
		return nil, err
	}
	w, err := h.find(r)
	if err != nil {
		return nil, err
	}
	start, end := int64(q.Start), int64(q.End)
	if q.BuildType != "BUILD" && start > end {
		return nil, said("Invalid range [%d,%d): startTime must be smaller than endTime", start, end)
	}
	switch q.BuildType {
	case "BUILD":
		return h.build(r, w, server.SegmentRequest{Start: timeText(start), End: timeText(end)})
	case "REFRESH":
		what := fmt.Sprintf("date range [%d,%d)", start, end)
		exact := func(s catalog.SegmentEntry) bool {
			return s.Events > 0 && s.MinTimeUs/1000 == start && s.MaxTimeUs/1000 == end
		}
		if !slices.ContainsFunc(w.Segments, exact) && start < end {
			return h.submit(r, w, "refresh", server.SegmentRequest{From: time.UnixMilli(start).UTC(), To: time.UnixMilli(end).UTC()})
		}
		return h.refresh(r, w, exact, what)
	case "MERGE":
		return h.mergeByTime(r, w, start, end)
	}
	return nil, wrongType(q.BuildType)
}

// timeText is a position; 0 and the largest number leave it to the cube.
func timeText(ms int64) string {
	if ms <= 0 || ms == latest {
		return ""
	}
	return time.UnixMilli(ms).UTC().Format(time.RFC3339Nano)
}

// build submits a build. A cube that is disabled is built, and answers when it has: so it is in Kylin.
func (h *Handler) build(r *http.Request, w *world, q server.SegmentRequest) (any, error) {
	if err := w.begun(); err != nil {
		return nil, err
	}
	building := 0
	for _, s := range w.Segments {
		building += btoi(s.State == segmenter.SegmentNew)
	}
	if building >= maxBuilding {
		return nil, said("There is already %d building segment; please wait for its completion, or discard it", building)
	}
	if !w.Enabled {
		if err := h.o.Catalog.SetCubeState(r.Context(), w.Cube.ID, catalog.CubeState{Enabled: true}); err != nil {
			return nil, err
		}
	}
	out, err := h.submit(r, w, "build", q)
	if errors.Is(err, plan.ErrNothingNew) {
		return nil, h.noNews(r.Context(), w)
	}
	return out, err
}

// begun refuses to build while no offset of the topic is known, as for some seconds after the first start. It is a 409, since
// nothing is wrong with the request.
func (w *world) begun() error {
	if len(w.g) > 0 {
		return nil
	}
	return failed(http.StatusConflict, "No partition of the topic of table %s has begun to be read: ask again in some seconds; if that lasts, tidemark doctor says what is missing", w.Cube.Table)
}

// noNews is the answer that tools look for after each quiet interval.
func (h *Handler) noNews(ctx context.Context, w *world) error {
	ends, err := h.o.Catalog.CubeEnds(ctx, w.Cube.ID)
	if err != nil {
		return err
	}
	_, end := w.sums(ends.Ends)
	return said("No new message comes, startOffset = endOffset:%d", end)
}

// submit answers with the first job; a backlog may make several.
func (h *Handler) submit(r *http.Request, w *world, action string, q server.SegmentRequest) (any, error) {
	done, err := h.o.Building.Submit(r.Context(), action, h.request(r, w, q))
	if err != nil {
		return nil, err
	}
	if len(done.Jobs) == 0 {
		return nil, fmt.Errorf("there is nothing to %s in cube %s: %s", action, w, strings.Join(done.Plan.Notes, "; "))
	}
	jobs, err := h.jobs(r.Context(), done.Jobs[:1])
	if err != nil {
		return nil, err
	}
	return jobs[0], nil
}

func (h *Handler) refresh(r *http.Request, w *world, is func(catalog.SegmentEntry) bool, what string) (any, error) {
	for _, s := range w.Segments {
		if s.State == segmenter.SegmentReady && is(s) {
			return h.submit(r, w, "refresh", server.SegmentRequest{Segments: []int64{s.Number}})
		}
	}
	return nil, fmt.Errorf("the range to refresh must be that of one READY segment of cube %s, and none has %s", w, what)
}

func (h *Handler) merge(r *http.Request, w *world, in func(catalog.SegmentEntry) bool, what string) (any, error) {
	var numbers []int64
	for _, s := range w.Segments {
		if s.State == segmenter.SegmentReady && in(s) {
			numbers = append(numbers, s.Number)
		}
	}
	if len(numbers) < 2 {
		return nil, fmt.Errorf("%s must contain at least 2 READY segments of cube %s, but there is %d", what, w, len(numbers))
	}
	return h.submit(r, w, "merge", server.SegmentRequest{Segments: numbers})
}

// mergeByTime takes segments with events of that time, from the first to the first hole.
func (h *Handler) mergeByTime(r *http.Request, w *world, start, end int64) (any, error) {
	var last segmenter.Vector
	open := true
	return h.merge(r, w, func(s catalog.SegmentEntry) bool {
		hit := s.Events > 0 && s.MinTimeUs/1000 < end && s.MaxTimeUs/1000 >= start
		open = open && (last == nil || last.Abuts(s.Range, w.g))
		if last != nil || hit {
			last = s.Range
		}
		return hit && open
	}, fmt.Sprintf("Date range [%d,%d)", start, end))
}

func (h *Handler) initStartOffsets(_ http.ResponseWriter, r *http.Request) (any, error) {
	w, err := h.find(r)
	if err != nil {
		return nil, err
	}
	if err := w.begun(); err != nil {
		return nil, err
	}
	v, err := h.o.Building.FixStart(r.Context(), w.Cube.Project, w.Cube.Name)
	if err != nil {
		return nil, err
	}
	parts := make([]string, 0, len(v))
	for _, x := range v {
		parts = append(parts, fmt.Sprintf("%d=%d", x.Partition, x.Start))
	}
	return map[string]string{"result": "success", "offsets": "{" + strings.Join(parts, ", ") + "}"}, nil
}
