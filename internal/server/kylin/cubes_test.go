package kylin

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/internal/auth"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

func TestCredentials(t *testing.T) {
	f := newFixture(t)
	send := func(method, path string, change func(*http.Request)) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, "http://localhost:7070/kylin/api"+path, strings.NewReader("{}"))
		change(r)
		rec := httptest.NewRecorder()
		f.h.ServeHTTP(rec, r)
		return rec
	}
	none := func(*http.Request) {}
	for _, path := range []string{"/cubes", "/user/authentication", "/jobs"} {
		if rec := send(http.MethodGet, path, none); rec.Code != http.StatusUnauthorized || !strings.Contains(rec.Body.String(), `"exception"`) {
			t.Errorf("GET %s without credentials: %d %s (K5)", path, rec.Code, rec.Body)
		}
	}
	login := send(http.MethodPost, "/user/authentication", func(r *http.Request) { r.SetBasicAuth("ann", "anything") })
	var body struct {
		UserDetails struct {
			Username    string
			Authorities []map[string]string
		}
	}
	if err := json.Unmarshal(login.Body.Bytes(), &body); err != nil || login.Code != http.StatusOK || body.UserDetails.Username != "ann" || len(body.UserDetails.Authorities) != 3 {
		t.Fatalf("log-in: %d %s, %v", login.Code, login.Body, err)
	}
	cookies := login.Result().Cookies()
	if len(cookies) != 1 || cookies[0].Name != "JSESSIONID" || cookies[0].Path != "/kylin/" {
		t.Fatalf("cookies %v", cookies)
	}
	if rec := send(http.MethodGet, "/cubes", func(r *http.Request) { r.AddCookie(cookies[0]) }); rec.Code != http.StatusOK {
		t.Errorf("with the cookie alone: %d %s", rec.Code, rec.Body)
	}
	if rec := send(http.MethodGet, "/cubes", func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "JSESSIONID", Value: "%"}) }); rec.Code != http.StatusUnauthorized {
		t.Errorf("with a strange cookie: %d", rec.Code)
	}
	proved := httptest.NewRequestWithContext(auth.With(t.Context(), auth.Identity{User: "ann"}), http.MethodPost, "http://localhost:7070/kylin/api/user/authentication", nil)
	proved.AddCookie(&http.Cookie{Name: "JSESSIONID", Value: "Ym9i"}) // bob
	rec := httptest.NewRecorder()
	f.h.ServeHTTP(rec, proved)
	if rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), `"username":"ann"`) || len(rec.Result().Cookies()) > 0 {
		t.Errorf("log-in of ann, who has proved it: %d %s, cookies %v; want ann, and none (K5)", rec.Code, rec.Body, rec.Result().Cookies())
	}
	f.bad(http.MethodGet, "/nope", "", http.StatusNotFound, "there is no GET /kylin/api/nope")
}

func TestCubeList(t *testing.T) {
	f := newFixture(t)
	for _, name := range []string{"a_clicks_cube", "other"} {
		if _, err := f.apply(name); err != nil {
			t.Fatal(err)
		}
	}
	for query, want := range map[string][]string{
		"": {"a_clicks_cube", "clicks_cube", "other"},
		"?cubeName=CLICKS_CUBE&projectName=default&offset=0&limit=50000": {"clicks_cube", "a_clicks_cube"}, // the exact one first
		"?projectName=nowhere&pageOffset=0&pageSize=1000":                {"a_clicks_cube", "clicks_cube", "other"},
		"?modelName=clicks&offset=1&limit=1":                             {"clicks_cube"},
		"?offset=9":                                                      {},
		"?limit=x&offset=-1":                                             {"a_clicks_cube", "clicks_cube", "other"},
	} {
		var list []cubeJSON
		f.good(http.MethodGet, "/cubes"+query, "", &list)
		got := []string{}
		for _, c := range list {
			got = append(got, c.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: got %v, want %v", query, got, want)
		}
	}
}

func TestCubeInstance(t *testing.T) {
	f := newFixture(t)
	var c cubeJSON
	if f.good(http.MethodGet, cubePath, "", &c); c.Status != "DISABLED" || c.Segments == nil || c.Owner != "ann" || c.Project != "default" {
		t.Errorf("a new cube: %+v", c)
	}
	f.build(span(0, 10, 0, 12), 1000, 2000)
	f.rng = span(10, 20, 12, 12)
	f.good(http.MethodPut, cubePath+"/build2", `{"sourceOffsetStart":0,"sourceOffsetEnd":9223372036854775807,"buildType":"BUILD"}`, new(jobJSON))
	f.good(http.MethodGet, "/cubes/CLICKS_cube", "", &c)
	if c.Status != "READY" || len(c.Segments) != 2 || c.InputRecordsCount != 22 || c.SizeKB != 2 {
		t.Fatalf("got %+v", c)
	}
	ready, fresh := c.Segments[0], c.Segments[1]
	if ready.Name != "0_22" || ready.Status != "READY" || ready.DateRangeStart != 1000 || ready.DateRangeEnd != 2000 || ready.InputRecords != 22 ||
		ready.LastBuildJobID == "" || ready.UUID == fresh.UUID || ready.PartitionEnd["1"] != 12 {
		t.Errorf("ready segment %+v", ready)
	}
	if fresh.Name != "22_32" || fresh.Status != "NEW" || fresh.DateRangeEnd != 0 || fresh.OffsetEnd != 32 {
		t.Errorf("new segment %+v", fresh)
	}
	_, text := f.curl(http.MethodGet, cubePath, "")
	for _, key := range []string{`"cuboid_shard_nums":{}`, `"blackout_cuboids":[]`, `"rowkey_stats":[]`, `"is_streaming":true`, `"total_shards":0`} {
		if !strings.Contains(text, key) {
			t.Errorf("no %s in %s", key, text)
		}
	}
	f.bad(http.MethodGet, "/cubes/none", "", http.StatusInternalServerError, "Cannot find cube none")
}

func TestCubeStates(t *testing.T) {
	f := newFixture(t)
	var c cubeJSON
	const failed = http.StatusInternalServerError
	f.bad(http.MethodPut, cubePath+"/enable", "", failed, "doesn't contain any READY segment")
	f.bad(http.MethodPut, cubePath+"/disable", "", failed, "Only ready cube can be disabled")
	f.build(span(0, 10, 0, 12), 1000, 2000)
	f.bad(http.MethodPut, cubePath+"/enable", "", failed, "Only disabled cube can be enabled")
	f.bad(http.MethodPut, cubePath+"/purge", "", failed, "Only disabled cube can be purged")
	if f.good(http.MethodPut, cubePath+"/disable", "", &c); c.Status != "DISABLED" {
		t.Errorf("disable: %+v", c)
	}
	if f.good(http.MethodPut, cubePath+"/enable", "", &c); c.Status != "READY" {
		t.Errorf("enable: %+v", c)
	}
	f.good(http.MethodPut, cubePath+"/disable", "", &c)
	if f.good(http.MethodPut, cubePath+"/purge", "", &c); c.Status != "DISABLED" || len(c.Segments) != 0 {
		t.Errorf("purge: %+v", c)
	}
	f.rng = span(0, 10, 0, 12)
	f.good(http.MethodPut, cubePath+"/build2", `{"sourceOffsetStart":0,"sourceOffsetEnd":9223372036854775807,"buildType":"BUILD"}`, new(jobJSON))
	if i, err := f.c.CubeInfo(t.Context(), f.cubeID); err != nil || !i.Enabled {
		t.Errorf("a build left the cube disabled: %v", err)
	}
	f.bad(http.MethodDelete, cubePath, "", failed, "has running or failed job")
	f.bad(http.MethodDelete, "/cubes/none", "", http.StatusNotFound, "Cannot find cube none")
	f.good(http.MethodPut, "/jobs/2/cancel", "", new(jobJSON))
	if code, text := f.curl(http.MethodDelete, cubePath, "{}"); code != http.StatusOK || text != "" {
		t.Errorf("drop: %d %q", code, text)
	}
}

func TestClone(t *testing.T) {
	f := newFixture(t)
	var c cubeJSON
	if f.good(http.MethodPut, cubePath+"/clone", `{"cubeName":"clicks_cube_clone","project":"DEFAULT"}`, &c); c.Name != "clicks_cube_clone" {
		t.Errorf("clone: %+v", c)
	}
	f.bad(http.MethodPut, cubePath+"/clone", `{"cubeName":"clicks_cube_clone"}`, http.StatusInternalServerError, "exists already")
	f.bad(http.MethodPut, "/cubes/none/clone", `{"cubeName":"x"}`, http.StatusBadRequest, "Cannot find cube none")
}

func TestSegmentDrop(t *testing.T) {
	f := newFixture(t)
	f.build(span(0, 10, 0, 12), 1000, 2000)
	f.build(span(10, 20, 12, 12), 1000, 2000)
	f.rng = span(20, 30, 12, 12)
	f.good(http.MethodPut, cubePath+"/build2", `{"sourceOffsetStart":0,"sourceOffsetEnd":9223372036854775807,"buildType":"BUILD"}`, new(jobJSON))
	var c cubeJSON
	if f.good(http.MethodDelete, cubePath+"/segs/0_22", "", &c); len(c.Segments) != 2 {
		t.Errorf("by name: %+v", c)
	}
	f.bad(http.MethodDelete, cubePath+"/segs/32_42", "", http.StatusInternalServerError, "its status is not READY")
	f.bad(http.MethodDelete, cubePath+"/segs/0_22", "", http.StatusInternalServerError, "Cannot find segment")
	if f.good(http.MethodDelete, cubePath+"/segs2/"+c.Segments[0].UUID, "", &c); len(c.Segments) != 1 {
		t.Errorf("by uuid: %+v", c)
	}
}

func TestJobs(t *testing.T) {
	f := newFixture(t)
	f.build(span(0, 10, 0, 12), 1000, 2000) // job 1
	f.rng = span(10, 20, 12, 12)
	f.good(http.MethodPut, cubePath+"/build2", `{"sourceOffsetStart":0,"sourceOffsetEnd":9223372036854775807,"buildType":"BUILD"}`, new(jobJSON))
	const first, second = "/jobs/00000000-0000-0000-0000-000000000001", "/jobs/00000000-0000-0000-0000-000000000002"
	for query, want := range map[string]int{
		"?limit=15&offset=0&projectName=default":          2,
		"?cubeName=clicks&status=4&status=8&timeFilter=4": 1,
		"?status=1&timeFilter=1&projectName=default":      1,
		"?status=32":           0,
		"?projectName=nowhere": 0,
		"?offset=1":            1,
		"?params=cubeName":     2, // as kylinpy sends it
	} {
		var list []jobJSON
		if f.good(http.MethodGet, "/jobs"+query, "", &list); list == nil || len(list) != want {
			t.Errorf("%q: %d jobs, want %d", query, len(list), want)
		}
	}
	var j jobJSON
	if f.good(http.MethodGet, first, "", &j); j.JobStatus != "FINISHED" || j.Submitter != "SYSTEM" || !strings.HasPrefix(j.Name, "clicks_cube - 0_22 - BUILD - UTC ") {
		t.Errorf("first: %+v", j)
	}
	const failed = http.StatusInternalServerError
	f.bad(http.MethodPut, second+"/resume", "", failed, "only one in ERROR or STOPPED can be resumed")
	f.bad(http.MethodDelete, second+"/drop", "", failed, "only one in FINISHED or DISCARDED can be dropped")
	f.bad(http.MethodPut, first+"/pause", "", failed, "cannot be paused")
	f.bad(http.MethodPut, first+"/cancel", "", failed, "cannot be cancelled")
	f.bad(http.MethodGet, "/jobs/no-such-job", "", failed, "Cannot find job no-such-job")
	f.bad(http.MethodGet, "/jobs/99", "", failed, "not found")
	for _, c := range []struct{ action, status string }{{"/pause", "STOPPED"}, {"/resume", "PENDING"}, {"/cancel", "DISCARDED"}} {
		if f.good(http.MethodPut, second+c.action, "", &j); j.JobStatus != c.status || j.UUID != strings.TrimPrefix(second, "/jobs/") {
			t.Errorf("%s: %+v", c.action, j)
		}
	}
	var out map[string]string
	if f.good(http.MethodGet, second+"/steps/"+j.Steps[0].ID+"/output", "", &out); !strings.Contains(out["cmd_output"], "paused by ADMIN") || out["stepId"] != j.Steps[0].ID {
		t.Errorf("output: %v", out)
	}
	f.good(http.MethodDelete, second+"/drop", "", &j)
	f.bad(http.MethodGet, second, "", failed, "not found")
}

func TestJobInstance(t *testing.T) {
	f := newFixture(t)
	w, err := f.h.world(t.Context(), f.cubeID)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 31, 6, 0, 0, 0, time.UTC).UnixMicro()
	j := w.job(catalog.Job{
		ID: 7, CubeID: f.cubeID, Segment: 3, Kind: "merge", State: catalog.JobFailed, CreatedUs: at, StartedUs: at + 1e6, EndedUs: at + 4e6,
		Steps: []catalog.JobStep{{Name: "read", EndedUs: 1, Done: 2, Total: 2, Unit: "files"}, {Name: "write"}},
	})
	if j.JobStatus != "ERROR" || j.Type != "MERGE" || j.Duration != 3 || j.Progress != 50 || j.Steps[0].StepStatus != "FINISHED" ||
		j.Steps[1].StepStatus != "ERROR" || j.Steps[1].ID != "00000000-0000-0000-0000-000000000007-01" || j.Steps[0].Info["progress"] != "2 of 2 files" ||
		j.Name != "clicks_cube - 3 - MERGE - UTC 2026-01-31 06:00:00" {
		t.Errorf("got %+v", j)
	}
}
