package kylin

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/server"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
	"github.com/tidemarkdb/tidemark/segmenter/plan"
)

const cubePath = "/cubes/clicks_cube"

// The bodies that Kylin's tutorials and clients send, and what they ask for.
func TestBuildRequests(t *testing.T) {
	for name, c := range map[string]struct {
		path, body string
		want       server.SegmentRequest
	}{
		"the tutorial's build2": {
			"/build2", `{ "sourceOffsetStart": 0, "sourceOffsetEnd": 9223372036854775807, "buildType": "BUILD"}`, server.SegmentRequest{},
		},
		"rebuild2 is build2": {
			"/rebuild2", `{"sourceOffsetStart":0,"sourceOffsetEnd":9223372036854775807,"buildType":"BUILD"}`, server.SegmentRequest{},
		},
		"offsets by partition": {
			"/build2", `{"sourceOffsetStart": 22, "sourceOffsetEnd": 50, "sourcePartitionOffsetStart": {"0": 10, "1": 12},
				"sourcePartitionOffsetEnd": {"1": 30, "0": 20}, "buildType": "BUILD", "force": false}`,
			server.SegmentRequest{Start: "0:10,1:12", End: "0:20,1:30"},
		},
		"sums alone, as kylinpy sends them": {
			"/build2", `{"sourceOffsetStart": 22, "sourceOffsetEnd": 9223372036854775806, "buildType": "BUILD"}`,
			server.SegmentRequest{Start: "22", End: "9223372036854775806"},
		},
		"numbers in quotes, nulls and unknown keys": {
			"/build2", `{"sourceOffsetStart": "0", "sourceOffsetEnd": "9223372036854775807", "sourcePartitionOffsetStart": null,
				"mpValues": "", "forceMergeEmptySegment": false, "buildType": "BUILD"}`, server.SegmentRequest{},
		},
		"build without times": {"/build", `{"startTime": 0, "endTime": 0, "buildType": "BUILD"}`, server.SegmentRequest{}},
		"rebuild by time": {
			"/rebuild", `{"startTime": 1423526400000, "endTime": 1423612800000, "buildType": "BUILD"}`,
			server.SegmentRequest{Start: "2015-02-10T00:00:00Z", End: "2015-02-11T00:00:00Z"},
		},
		"rebuild to the end": {
			"/rebuild", `{"startTime": 0, "endTime": 9223372036854775807, "buildType": "BUILD", "forceMergeEmptySegment": false}`, server.SegmentRequest{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.rng = span(0, 10, 0, 12)
			var j jobJSON
			f.good(http.MethodPut, cubePath+c.path, c.body, &j)
			c.want.Project, c.want.Cube, c.want.By = "default", "clicks_cube", "ADMIN"
			if diff := cmp.Diff(c.want, f.asked); f.action != "build" || diff != "" {
				t.Errorf("%s asked for: %s", f.action, diff)
			}
			if j.UUID != "00000000-0000-0000-0000-000000000001" || j.JobStatus != "PENDING" || j.Type != "BUILD" || j.RelatedCube != "clicks_cube" ||
				j.RelatedSegmentName != "0_22" || j.Submitter != "ADMIN" || len(j.Steps) != 1 || j.Progress != 0 {
				t.Errorf("job %+v", j)
			}
		})
	}
}

func TestBuildRefused(t *testing.T) {
	f := newFixture(t)
	for _, c := range []struct{ path, body, want string }{
		{"/build2", `{"sourceOffsetStart": 5, "sourceOffsetEnd": 5, "buildType": "BUILD"}`, "'startOffset' need be smaller than 'endOffset'"},
		{"/build2", `{"sourceOffsetStart": 0, "sourceOffsetEnd": 0, "buildType": "BUILD"}`, "'startOffset' need be smaller than 'endOffset'"},
		{"/build2", `{"sourceOffsetStart": 5, "sourceOffsetEnd": 9, "sourcePartitionOffsetStart": {"0": 4}, "buildType": "BUILD"}`, "Sum of all partition offsets is not equal"},
		{"/build2", `{"sourceOffsetStart": 0, "sourceOffsetEnd": 9, "sourcePartitionOffsetEnd": {"0": 4, "1": 6}, "buildType": "BUILD"}`, "Sum of all partition offsets is not equal"},
		{"/build2", `{"sourceOffsetStart": 0, "sourceOffsetEnd": 9, "sourcePartitionOffsetEnd": {"0": 9223372036854775807, "1": 9223372036854775807}, "buildType": "BUILD"}`, "64 bits"},
		{"/build2", `{"sourceOffsetStart": 0, "sourceOffsetEnd": 9, "buildType": "BUILT"}`, "No enum constant"},
		{"/build", `{"startTime": 5, "endTime": 4, "buildType": "MERGE"}`, "Invalid range"},
		{"/build", `{"startTime": 5, "endTime": 6}`, "No enum constant"},
		{"/build2", `{"sourceOffsetStart": 0, "sourceOffsetEnd": 50, "buildType": "MERGE"}`, "must contain at least 2"},
		{"/build2", `{"sourceOffsetStart": 0, "sourceOffsetEnd": 50, "buildType": "REFRESH"}`, "that of one READY segment"},
	} {
		f.bad(http.MethodPut, cubePath+c.path, c.body, http.StatusInternalServerError, c.want)
	}
	f.bad(http.MethodPut, "/cubes/none/build2", `{"sourceOffsetStart":0,"sourceOffsetEnd":9223372036854775807,"buildType":"BUILD"}`,
		http.StatusInternalServerError, "Cannot find cube none")
	f.bad(http.MethodPut, cubePath+"/build2", `{"sourceOffsetEnd": 9223372036854775808}`, http.StatusBadRequest, "64 bits")
	f.bad(http.MethodPut, cubePath+"/build2", `{`, http.StatusBadRequest, "the body is not")
	f.err = errors.New("offset 9 is\nbeyond the log")
	f.bad(http.MethodPut, cubePath+"/build2", `{"sourceOffsetStart": 0, "sourceOffsetEnd": 9, "buildType": "BUILD"}`,
		http.StatusInternalServerError, "offset 9 is; beyond the log")
}

// The normal answer of a cron that finds nothing: tools look for the text.
func TestNoNewMessage(t *testing.T) {
	f := newFixture(t)
	f.build(span(0, 10, 0, 12), 1000, 2000)
	f.err = plan.ErrNothingNew
	f.bad(http.MethodPut, cubePath+"/build2", `{"sourceOffsetStart": 0, "sourceOffsetEnd": 9223372036854775807, "buildType": "BUILD"}`,
		http.StatusInternalServerError, "No new message comes, startOffset = endOffset:22")
}

func TestTooManyAreBuilding(t *testing.T) {
	f := newFixture(t)
	const body = `{"sourceOffsetStart": 0, "sourceOffsetEnd": 9223372036854775807, "buildType": "BUILD"}`
	for i := range int64(maxBuilding) {
		f.rng = span(10*i, 10*i+10, 0, 0)
		f.good(http.MethodPut, cubePath+"/build2", body, new(jobJSON))
	}
	f.bad(http.MethodPut, cubePath+"/build2", body, http.StatusInternalServerError, "There is already 10 building segment")
}

func TestRefreshAndMerge(t *testing.T) {
	for name, c := range map[string]struct {
		path, body, action string
		want               server.SegmentRequest
	}{
		"refresh by sums": {
			"/build2", `{"sourceOffsetStart": 22, "sourceOffsetEnd": 50, "buildType": "REFRESH"}`, "refresh", server.SegmentRequest{Segments: []int64{2}},
		},
		"merge by sums": {
			"/build2", `{"sourceOffsetStart": 0, "sourceOffsetEnd": 50, "buildType": "MERGE"}`, "merge", server.SegmentRequest{Segments: []int64{1, 2}},
		},
		"merge of all": {
			"/build2", `{"sourceOffsetStart": 0, "sourceOffsetEnd": 9223372036854775807, "buildType": "MERGE"}`, "merge",
			server.SegmentRequest{Segments: []int64{1, 2, 3}},
		},
		"merge by time stops at a hole": {
			"/rebuild", `{"startTime": 1000, "endTime": 9000, "buildType": "MERGE"}`, "merge", server.SegmentRequest{Segments: []int64{1, 2}},
		},
		"refresh of a segment's own times": {
			"/build", `{"startTime": 3000, "endTime": 4000, "buildType": "REFRESH"}`, "refresh", server.SegmentRequest{Segments: []int64{2}},
		},
		"refresh of a slice": {
			"/build", `{"startTime": 1500, "endTime": 3500, "buildType": "REFRESH"}`, "refresh",
			server.SegmentRequest{From: time.UnixMilli(1500).UTC(), To: time.UnixMilli(3500).UTC()},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.build(span(0, 10, 0, 12), 1000, 2000)
			f.build(span(10, 20, 12, 30), 3000, 4000)
			f.build(span(25, 30, 30, 30), 5000, 6000)
			f.err = errors.New("seen")
			f.bad(http.MethodPut, cubePath+c.path, c.body, http.StatusInternalServerError, "seen")
			ignore := cmpopts.IgnoreFields(server.SegmentRequest{}, "Project", "Cube", "By")
			if diff := cmp.Diff(c.want, f.asked, ignore); f.action != c.action || diff != "" {
				t.Errorf("%s: %s", f.action, diff)
			}
		})
	}
}

func TestInitStartOffsets(t *testing.T) {
	f := newFixture(t)
	var out map[string]string
	f.good(http.MethodPut, cubePath+"/init_start_offsets", "", &out)
	if diff := cmp.Diff(map[string]string{"result": "success", "offsets": "{0=100, 1=90}"}, out); diff != "" {
		t.Error(diff)
	}
	f.build(span(100, 110, 90, 90), 1000, 2000)
	f.bad(http.MethodPut, cubePath+"/init_start_offsets", "{}", http.StatusInternalServerError, "it has segments")
}

func TestHoles(t *testing.T) {
	f := newFixture(t)
	var list []segmentJSON
	var jobs []jobJSON
	if f.good(http.MethodGet, cubePath+"/holes", "", &list); list == nil || len(list) != 0 {
		t.Errorf("none: %v", list)
	}
	if f.good(http.MethodPut, cubePath+"/holes", "", &jobs); jobs == nil || len(jobs) != 0 {
		t.Errorf("fill of none: %v", jobs)
	}
	f.build(span(0, 10, 0, 12), 1000, 2000)
	f.build(span(20, 30, 12, 40), 5000, 6000)
	f.rng = span(10, 20, 12, 12)
	f.holed = []plan.Hole{{Range: f.rng, After: 1, Before: 2}}
	f.good(http.MethodGet, cubePath+"/holes", "", &list)
	if len(list) != 1 || list[0].Name != "22_32" || list[0].OffsetStart != 22 || list[0].OffsetEnd != 32 ||
		list[0].PartitionStart["0"] != 10 || list[0].PartitionEnd["0"] != 20 {
		t.Errorf("holes: %+v", list)
	}
	if f.good(http.MethodPut, cubePath+"/holes", "{}", &jobs); len(jobs) != 1 || jobs[0].Type != "BUILD" || f.action != "fill" {
		t.Errorf("fill: %s %+v", f.action, jobs)
	}
}

// K2: the largest offset survives to the cube's segments and back.
func TestLargestOffset(t *testing.T) {
	f := newFixture(t)
	const most = 9223372036854775807
	f.rng = segmenter.Vector{{Partition: 0, Start: most - 1, End: most}}
	_, _, err := f.c.Reserve(t.Context(), catalog.Reservation{CubeID: f.cubeID, Range: f.rng, Reason: "x", JobKind: "build"})
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Segments []struct {
			Name  string           `json:"name"`
			End   int64            `json:"source_offset_end"`
			Parts map[string]int64 `json:"source_partition_offset_end"`
		} `json:"segments"`
	}
	f.good(http.MethodGet, cubePath, "", &c)
	if s := c.Segments[0]; s.End != most || s.Parts["0"] != most || s.Name != "9223372036854775806_9223372036854775807" {
		t.Errorf("got %+v", s)
	}
}

// Right after the first start nothing of the topic is known: that is told as such, in Kylin's shape, and no fault of the server.
func TestBuildBeforeAnythingIsRead(t *testing.T) {
	f := newFixture(t)
	def, err := cube.ParseTable([]byte(strings.Replace(clicks, "clicks", "fresh", 1)), "")
	if err != nil {
		t.Fatal(err)
	}
	table, err := f.c.ApplyTable(t.Context(), def)
	if err != nil {
		t.Fatal(err)
	}
	c, err := cube.ParseCube([]byte("cube: fresh\ntable: fresh\ndimensions: [url]\nmeasures: [count]\n"), "", table.Table)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.c.ApplyCube(t.Context(), c.WithDefaults()); err != nil {
		t.Fatal(err)
	}
	for path, body := range map[string]string{
		"build2":             `{"sourceOffsetStart": 0, "sourceOffsetEnd": 9223372036854775807, "buildType": "BUILD"}`,
		"build":              `{"startTime": 0, "endTime": 1000, "buildType": "BUILD"}`,
		"init_start_offsets": "",
	} {
		f.bad(http.MethodPut, "/cubes/fresh/"+path, body, http.StatusConflict, "No partition of the topic of table fresh has begun to be read: ask again")
	}
}
