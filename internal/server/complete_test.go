package server

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/ingest"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// An hour is final once no partition can bring an event of it on time; an idle one holds nobody, one that lags does.
func TestComplete(t *testing.T) {
	noon := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	def := &cube.Table{Project: "default", Name: "clicks"}
	def.EventTime.Lateness = time.Minute
	committed := func(n int32, at time.Time) catalog.PartitionInfo {
		return catalog.PartitionInfo{Partition: n, PartitionState: catalog.PartitionState{HasTime: !at.IsZero(), MaxTimeUs: at.UnixMicro()}}
	}
	read := func(n int32, mark time.Time, state ingest.State, lag int64) ingest.Source {
		return ingest.Source{Partition: n, Watermark: mark, State: state, Lag: lag, EndAt: noon.Add(time.Minute)}
	}
	late := noon.Add(-time.Hour)
	for _, c := range []struct {
		name    string
		now     time.Time
		parts   []catalog.PartitionInfo
		sources []ingest.Source
		reread  bool
		stopped bool
		mark    time.Time
		why     string // of the first reason; "": it is complete
	}{
		{"all passed, committed", noon, []catalog.PartitionInfo{committed(0, noon.Add(time.Minute)), committed(1, noon.Add(time.Hour))}, nil, false, false, noon, ""},
		{"lateness is not over", noon, []catalog.PartitionInfo{committed(0, noon.Add(59*time.Second))}, nil, false, false, noon.Add(-time.Second), "this process does not read it"},
		{"passed in memory", noon, []catalog.PartitionInfo{committed(0, late)}, []ingest.Source{read(0, noon, ingest.Reading, 9)}, false, false, noon, ""},
		{"one lags", noon.Add(time.Hour), []catalog.PartitionInfo{committed(0, noon.Add(time.Minute)), committed(1, late)}, []ingest.Source{read(1, late, ingest.Reading, 7)}, false, false, late.Add(-time.Minute).Add(time.Minute), "7 records to be read"},
		{"one is idle", noon.Add(70 * time.Second), []catalog.PartitionInfo{committed(0, noon.Add(time.Hour)), committed(1, late)}, []ingest.Source{read(1, late, ingest.AtEnd, 0)}, false, false, noon, ""}, // of later times the idle one may bring events
		{"at its end, not idle", noon.Add(69 * time.Second), []catalog.PartitionInfo{committed(1, late)}, []ingest.Source{read(1, late, ingest.AtEnd, 0)}, false, false, late, "may still be on time"},
		{"idle, never an event", noon.Add(70 * time.Second), nil, []ingest.Source{read(0, time.Time{}, ingest.AtEnd, 0)}, false, false, time.Time{}, ""},
		{"its end was not asked for yet", noon.Add(time.Hour), []catalog.PartitionInfo{committed(0, noon.Add(time.Hour)), committed(7, late)}, []ingest.Source{{Partition: 7, Watermark: late, State: ingest.AtEnd}}, false, false, late, "may still be on time"},
		{"its end was asked for too long ago", noon.Add(time.Hour), []catalog.PartitionInfo{committed(1, late)}, []ingest.Source{{Partition: 1, Watermark: late, State: ingest.AtEnd, EndAt: noon.Add(time.Minute - 1000)}}, false, false, late, "may still be on time"},
		{"failing", noon.Add(time.Hour), nil, []ingest.Source{read(0, time.Time{}, ingest.Failing, 0)}, false, false, time.Time{}, "is failing"},
		{"to be read again", noon, []catalog.PartitionInfo{committed(0, noon.Add(time.Minute))}, nil, true, false, noon, "read again"},
		{"stopped", noon, []catalog.PartitionInfo{committed(0, noon.Add(time.Minute))}, nil, false, true, noon, "stopped"},
		{"nothing read", noon, nil, nil, false, false, time.Time{}, "nothing of the table"},
	} {
		x := completion{def: def, at: noon, now: c.now, parts: c.parts, sources: c.sources}
		if x.stopped.Stopped = c.stopped; c.reread {
			x.rereads = []catalog.Reread{{Range: segmenter.PartitionRange{Start: 1, End: 2}}, {Done: true}}
		}
		got := x.decide()
		if got.Complete != (c.why == "") || !got.Complete && !strings.Contains(got.Reasons[0], c.why) {
			t.Errorf("%s: complete %t because of %q, want %q", c.name, got.Complete, got.Reasons, c.why)
		}
		if (got.Watermark == nil) != c.mark.IsZero() || got.Watermark != nil && !got.Watermark.Equal(c.mark) {
			t.Errorf("%s: watermark %v, want %v", c.name, got.Watermark, c.mark)
		}
	}
}

func TestCompleteCall(t *testing.T) {
	w := newWorld(t)
	def := w.apply()
	w.commit(def, segmenter.PartitionRange{End: 10}, 3)
	var got Complete
	w.get(http.MethodGet, "/api/v1/tables/clicks/complete?time=1960-01-01T00:00:00Z", "", &got)
	if !got.Complete || got.Quarantined != 1 || len(got.Partitions) != 1 {
		t.Errorf("an hour long ago: %+v, want it complete with 1 quarantined", got)
	}
	w.get(http.MethodGet, "/api/v1/tables/clicks/complete?time=2999-01-01T00:00:00Z", "", &got)
	if got.Complete || len(got.Reasons) != 1 {
		t.Errorf("an hour to come: %+v, want it not complete, for one reason", got)
	}
	w.refused(http.MethodGet, "/api/v1/tables/clicks/complete?time=noon", "", http.StatusBadRequest, "bad_request")
	w.refused(http.MethodGet, "/api/v1/tables/none/complete?time=2000-01-01T00:00:00Z", "", http.StatusNotFound, "not_found")
}
