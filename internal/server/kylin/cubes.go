package kylin

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tidemarkdb/tidemark/internal/server"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// cubeJSON is Kylin's cube instance, with the keys of 1.6 and those that 2.x added.
type cubeJSON struct {
	UUID                  string        `json:"uuid"`
	LastModified          int64         `json:"last_modified"`
	Version               string        `json:"version"`
	Name                  string        `json:"name"`
	Owner                 string        `json:"owner"`
	Descriptor            string        `json:"descriptor"`
	Cost                  int           `json:"cost"`
	Status                string        `json:"status"`
	Segments              []segmentJSON `json:"segments"`
	CreateTimeUTC         int64         `json:"create_time_utc"`
	SizeKB                int64         `json:"size_kb"`
	InputRecordsCount     int64         `json:"input_records_count"`
	InputRecordsSize      int64         `json:"input_records_size"`
	Project               string        `json:"project"`
	Model                 string        `json:"model"`
	IsStreaming           bool          `json:"is_streaming"`
	PartitionDateColumn   *string       `json:"partitionDateColumn"`
	PartitionDateStart    int64         `json:"partitionDateStart"`
	IsStandardPartitioned bool          `json:"isStandardPartitioned"`
}

// kylinVersion is the version of Kylin's metadata that answers have.
const kylinVersion = "3.1.3"

// The states of a cube.
const (
	statusReady    = "READY"
	statusDisabled = "DISABLED"
)

// uuid makes an id in Kylin's form of ours.
func uuid(parts ...any) string {
	sum := sha256.Sum256([]byte(fmt.Sprint(parts...)))
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// world is a cube with its live segments, of one state of the catalog.
type world struct {
	catalog.CubeSnapshot
	g segmenter.Generations
}

func (h *Handler) world(ctx context.Context, id string) (*world, error) {
	s, err := h.o.Catalog.CubeSnapshot(ctx, id)
	if err != nil {
		return nil, err
	}
	w := &world{CubeSnapshot: s}
	for _, p := range s.Partitions {
		for _, g := range p.Generations {
			w.g = append(w.g, segmenter.Generation{Partition: g.Partition, Generation: g.Generation, Start: g.Start, End: g.End, Closed: g.Closed})
		}
	}
	slices.SortFunc(w.Segments, func(a, b catalog.SegmentEntry) int { return a.Range.Compare(b.Range) })
	return w, nil
}

// find returns the cube that the path names. Kylin's names are the same in any case, and unique over all projects.
func (h *Handler) find(r *http.Request) (*world, error) {
	name := r.PathValue("cube")
	all, err := h.o.Catalog.Cubes(r.Context(), "")
	if err != nil {
		return nil, err
	}
	project := cmp.Or(r.URL.Query().Get("projectName"), r.URL.Query().Get("project"))
	var found []catalog.CubeInfo
	for _, i := range all {
		if strings.EqualFold(i.Cube.Name, name) && (project == "" || strings.EqualFold(i.Cube.Project, project)) {
			found = append(found, i)
		}
	}
	switch {
	case len(found) == 0:
		return nil, said("Cannot find cube %s: %w", name, catalog.ErrNotFound)
	case len(found) > 1:
		return nil, fmt.Errorf("cube %s is in projects %s and %s: name one with ?project=", name, found[0].Cube.Project, found[1].Cube.Project)
	}
	return h.world(r.Context(), found[0].Cube.ID)
}

func (w *world) String() string { return w.Cube.Name }

// ready reports whether some segment answers.
func (w *world) ready() bool {
	return slices.ContainsFunc(w.Segments, func(s catalog.SegmentEntry) bool { return s.State == segmenter.SegmentReady })
}

// status: a cube is DISABLED until it has a segment.
func (w *world) status() string {
	if w.Enabled && w.ready() {
		return statusReady
	}
	return statusDisabled
}

func (w *world) json() cubeJSON {
	out := cubeJSON{
		UUID: uuid("cube", w.Cube.ID), LastModified: w.CreatedUs / 1000, Version: kylinVersion, Name: w.Cube.Name, Owner: w.Cube.Owner,
		Descriptor: w.Cube.Name, Cost: 50, Status: w.status(), Segments: []segmentJSON{}, CreateTimeUTC: w.CreatedUs / 1000,
		Project: w.Cube.Project, Model: w.Cube.Table, IsStreaming: true, IsStandardPartitioned: true,
	}
	for _, s := range w.Segments {
		x := w.segment(s)
		out.Segments = append(out.Segments, x)
		out.LastModified = max(out.LastModified, x.LastBuildTime, x.CreateTimeUTC)
		out.SizeKB += x.SizeKB
		out.InputRecordsCount += x.InputRecords
	}
	return out
}

func (h *Handler) listCubes(_ http.ResponseWriter, r *http.Request) (any, error) {
	q := r.URL.Query()
	all, err := h.o.Catalog.Cubes(r.Context(), "")
	if err != nil {
		return nil, err
	}
	name, project, model := strings.ToLower(q.Get("cubeName")), q.Get("projectName"), q.Get("modelName")
	if !slices.ContainsFunc(all, func(i catalog.CubeInfo) bool { return strings.EqualFold(i.Cube.Project, project) }) {
		project = "" // one that is not known filters nothing
	}
	all = slices.DeleteFunc(all, func(i catalog.CubeInfo) bool {
		return !strings.Contains(strings.ToLower(i.Cube.Name), name) || project != "" && !strings.EqualFold(i.Cube.Project, project) ||
			model != "" && !strings.EqualFold(i.Cube.Table, model)
	})
	// Clients take the first: the exact name comes first.
	slices.SortStableFunc(all, func(a, b catalog.CubeInfo) int {
		exact := func(i catalog.CubeInfo) int { return cmp.Compare(0, btoi(strings.EqualFold(i.Cube.Name, name))) }
		return cmp.Compare(exact(a), exact(b))
	})
	out := []cubeJSON{}
	for _, i := range page(all, q.Get("offset"), q.Get("limit"), len(all)) {
		w, err := h.world(r.Context(), i.Cube.ID)
		if err != nil {
			return nil, err
		}
		out = append(out, w.json())
	}
	return out, nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// page cuts a list as offset and limit say. What is no number counts as missing (K3).
func page[T any](list []T, offset, limit string, most int) []T {
	from, err := strconv.Atoi(offset)
	if err != nil || from < 0 {
		from = 0
	}
	n, err := strconv.Atoi(limit)
	if err != nil || n < 0 {
		n = most
	}
	from = min(from, len(list))
	return list[from : from+min(n, len(list)-from)]
}

func (h *Handler) showCube(_ http.ResponseWriter, r *http.Request) (any, error) {
	w, err := h.find(r)
	if err != nil {
		return nil, err
	}
	return w.json(), nil
}

// busy fails while a job of the cube is open.
func (h *Handler) busy(ctx context.Context, w *world, what string) error {
	jobs, err := h.o.Catalog.OpenJobs(ctx, w.Cube.ID)
	if err == nil && len(jobs) > 0 {
		err = said("The cube %s has running or failed job, please discard it and try again: job %s, %s", w, jobID(jobs[0].ID), what)
	}
	return err
}

func (h *Handler) dropCube(_ http.ResponseWriter, r *http.Request) (any, error) {
	w, err := h.find(r)
	if errors.Is(err, catalog.ErrNotFound) {
		return nil, failed(http.StatusNotFound, "Cannot find cube %s", r.PathValue("cube"))
	}
	if err == nil {
		err = h.busy(r.Context(), w, "so it cannot be dropped")
	}
	if err != nil {
		return nil, err
	}
	return nil, h.o.Catalog.DropCube(r.Context(), w.Cube.Project, w.Cube.Name, by(r))
}

func (h *Handler) enable(_ http.ResponseWriter, r *http.Request) (any, error) {
	w, err := h.find(r)
	if err != nil {
		return nil, err
	}
	switch {
	case w.status() != statusDisabled:
		return nil, said("Only disabled cube can be enabled, status of %s is %s", w, w.status())
	case !w.ready():
		return nil, said("Cube %s doesn't contain any READY segment", w)
	}
	if err := h.busy(r.Context(), w, "so it cannot be enabled"); err != nil {
		return nil, err
	}
	return h.setState(r, w, catalog.CubeState{Enabled: true})
}

func (h *Handler) disable(_ http.ResponseWriter, r *http.Request) (any, error) {
	w, err := h.find(r)
	if err != nil {
		return nil, err
	}
	if w.status() != statusReady {
		return nil, said("Only ready cube can be disabled, status of %s is %s", w, w.status())
	}
	return h.setState(r, w, catalog.CubeState{Reason: "disabled by " + by(r)})
}

func (h *Handler) setState(r *http.Request, w *world, s catalog.CubeState) (any, error) {
	if err := h.o.Catalog.SetCubeState(r.Context(), w.Cube.ID, s); err != nil {
		return nil, err
	}
	return h.again(r.Context(), w)
}

func (h *Handler) again(ctx context.Context, w *world) (any, error) {
	now, err := h.world(ctx, w.Cube.ID)
	if err != nil {
		return nil, err
	}
	return now.json(), nil
}

// purge leaves the cube as a new one, which its first segment makes READY.
func (h *Handler) purge(_ http.ResponseWriter, r *http.Request) (any, error) {
	w, err := h.find(r)
	if err != nil {
		return nil, err
	}
	if w.status() != statusDisabled {
		return nil, said("Only disabled cube can be purged, status of %s is %s", w, w.status())
	}
	if err := h.o.Catalog.PurgeCube(r.Context(), w.Cube.Project, w.Cube.Name, by(r)); err != nil {
		return nil, err
	}
	return h.again(r.Context(), w)
}

func (h *Handler) clone(_ http.ResponseWriter, r *http.Request) (any, error) {
	var q struct {
		CubeName string `json:"cubeName"`
		Project  string `json:"project"`
	}
	if err := readBody(r, &q); err != nil {
		return nil, err
	}
	w, err := h.find(r)
	if errors.Is(err, catalog.ErrNotFound) {
		return nil, failed(http.StatusBadRequest, "Cannot find cube %s", r.PathValue("cube"))
	}
	if err != nil {
		return nil, err
	}
	to := server.CloneRequest{Cube: q.CubeName}
	if !strings.EqualFold(q.Project, w.Cube.Project) {
		to.Project = q.Project
	}
	made, err := h.o.Cubes.CloneCube(r.Context(), w.Cube, to)
	if err != nil {
		return nil, err
	}
	copied, err := h.world(r.Context(), made.ID)
	if err != nil {
		return nil, err
	}
	return copied.json(), nil
}
