package kylin

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/tidemarkdb/tidemark/internal/server"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// segmentJSON is Kylin's segment. Offsets are sums over partitions, the maps hold the truth.
type segmentJSON struct {
	UUID            string           `json:"uuid"`
	Name            string           `json:"name"`
	StorageLocation string           `json:"storage_location_identifier"`
	DateRangeStart  int64            `json:"date_range_start"` // ms; lowest and highest event time, both inclusive
	DateRangeEnd    int64            `json:"date_range_end"`
	OffsetStart     int64            `json:"source_offset_start"`
	OffsetEnd       int64            `json:"source_offset_end"`
	Status          string           `json:"status"`
	SizeKB          int64            `json:"size_kb"`
	InputRecords    int64            `json:"input_records"`
	InputSize       int64            `json:"input_records_size"`
	LastBuildTime   int64            `json:"last_build_time"`
	LastBuildJobID  string           `json:"last_build_job_id"`
	CreateTimeUTC   int64            `json:"create_time_utc"`
	CuboidShards    struct{}         `json:"cuboid_shard_nums"`
	TotalShards     int              `json:"total_shards"`
	Blackout        []string         `json:"blackout_cuboids"`
	BinarySignature *string          `json:"binary_signature"`
	Dictionaries    struct{}         `json:"dictionaries"`
	Snapshots       struct{}         `json:"snapshots"`
	IndexPath       string           `json:"index_path"`
	RowkeyStats     []string         `json:"rowkey_stats"`
	PartitionStart  map[string]int64 `json:"source_partition_offset_start,omitempty"`
	PartitionEnd    map[string]int64 `json:"source_partition_offset_end,omitempty"`
}

// sums are Kylin's numbers of a range: offsets over all partitions, earlier generations counted. A place whose earlier
// generations are not known has the sum of its offsets alone.
func (w *world) sums(v segmenter.Vector) (start, end int64) {
	number := func(at segmenter.Vector) int64 {
		n, err := w.g.Number(at)
		if err != nil {
			return raw(at)
		}
		return n
	}
	return number(v.Starts()), number(v.Ends())
}

func raw(at segmenter.Vector) (n int64) {
	for _, r := range at {
		n += r.Start
	}
	return n
}

// has reports whether a range is the one that two numbers mean, earlier generations counted or not.
func (w *world) has(v segmenter.Vector, start, end int64) bool {
	s, e := w.sums(v)
	return s == start && e == end || raw(v.Starts()) == start && raw(v.Ends()) == end
}

func places(v segmenter.Vector) map[string]int64 {
	out := map[string]int64{}
	for _, r := range v {
		out[strconv.Itoa(int(r.Partition))] = r.Start
	}
	return out
}

func (w *world) name(v segmenter.Vector) string {
	start, end := w.sums(v)
	return fmt.Sprintf("%d_%d", start, end)
}

// segmentUUID never changes, while the id of a segment is known only when it is built.
func segmentUUID(cubeID string, number int64) string { return uuid("segment", cubeID, "/", number) }

// ranged is a segment of which only the range is known.
func (w *world) ranged(v segmenter.Vector) segmentJSON {
	out := segmentJSON{
		Name: w.name(v), Blackout: []string{}, RowkeyStats: []string{},
		PartitionStart: places(v.Starts()), PartitionEnd: places(v.Ends()),
	}
	out.OffsetStart, out.OffsetEnd = w.sums(v)
	return out
}

func (w *world) segment(s catalog.SegmentEntry) segmentJSON {
	out := w.ranged(s.Range)
	out.UUID, out.Status = segmentUUID(s.CubeID, s.Number), "NEW"
	out.LastBuildTime, out.LastBuildJobID, out.CreateTimeUTC = s.PublishedUs/1000, jobID(s.JobID), s.CreatedUs/1000
	if s.State != segmenter.SegmentReady {
		out.LastBuildJobID = ""
		return out
	}
	out.Status, out.InputRecords, out.SizeKB = "READY", s.Events, (s.Bytes+1023)/1024
	out.StorageLocation = fmt.Sprintf("segments/%s/%s.%d", s.CubeID, s.ID, s.Attempt)
	if s.Events > 0 {
		out.DateRangeStart, out.DateRangeEnd = s.MinTimeUs/1000, s.MaxTimeUs/1000
	}
	return out
}

// dropSegment takes a segment by its name or uuid.
func (h *Handler) dropSegment(_ http.ResponseWriter, r *http.Request) (any, error) {
	w, err := h.find(r)
	if err != nil {
		return nil, err
	}
	name := r.PathValue("segment")
	for _, s := range w.Segments {
		if w.name(s.Range) != name && segmentUUID(s.CubeID, s.Number) != name {
			continue
		}
		if s.State != segmenter.SegmentReady {
			return nil, said("Cannot delete segment '%s' as its status is not READY. Discard the on-going job for it", name)
		}
		if _, err := h.o.Building.Submit(r.Context(), "drop", h.request(r, w, server.SegmentRequest{Segments: []int64{s.Number}})); err != nil {
			return nil, err
		}
		return h.again(r.Context(), w)
	}
	return nil, said("Cannot find segment '%s' in cube %s", name, w)
}

func (h *Handler) holes(_ http.ResponseWriter, r *http.Request) (any, error) {
	w, err := h.find(r)
	if err != nil {
		return nil, err
	}
	list, err := h.o.Building.Holes(r.Context(), w.Cube.Project, w.Cube.Name)
	if err != nil {
		return nil, err
	}
	out := []segmentJSON{}
	for _, x := range list {
		out = append(out, w.ranged(x.Range))
	}
	return out, nil
}

func (h *Handler) fillHoles(_ http.ResponseWriter, r *http.Request) (any, error) {
	w, err := h.find(r)
	if err != nil {
		return nil, err
	}
	list, err := h.o.Building.Holes(r.Context(), w.Cube.Project, w.Cube.Name)
	if err != nil || len(list) == 0 {
		return []jobJSON{}, err
	}
	done, err := h.o.Building.Submit(r.Context(), "fill", h.request(r, w, server.SegmentRequest{}))
	if err != nil {
		return nil, err
	}
	return h.jobs(r.Context(), done.Jobs)
}
