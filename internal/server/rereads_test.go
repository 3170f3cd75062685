package server

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/segmenter"
)

func TestRereads(t *testing.T) {
	w := newWorld(t)
	def := w.apply()
	const path = "/api/v1/tables/clicks/rereads"
	w.refused(http.MethodPost, path, "", http.StatusBadRequest, "bad_request") // nothing was read yet
	w.commit(def, segmenter.PartitionRange{Partition: 0, Start: 5, End: 25})
	w.commit(def, segmenter.PartitionRange{Partition: 3, Start: 0, End: 4})
	var all, again, one, list Rereads
	w.get(http.MethodPost, path, "", &all)
	w.get(http.MethodPost, path, "", &again)
	if diff := cmp.Diff(all, again); diff != "" || len(all.Rereads) != 2 || !all.Reading {
		t.Errorf("asked twice: got %+v, then (-first +second):\n%s", all, diff)
	}
	if got := all.Rereads[0].Range; got != (segmenter.PartitionRange{Start: 5, End: 25}) {
		t.Errorf("got %s, want all that is committed", got)
	}
	w.get(http.MethodPost, path+"?partition=3&start=1&end=4&generation=2", "", &one)
	want := []Reread{{ID: 3, Range: segmenter.PartitionRange{Partition: 3, Generation: 2, Start: 1, End: 4}, RequestedBy: "anonymous"}}
	if diff := cmp.Diff(want, one.Rereads); diff != "" {
		t.Errorf("one range (-want +got):\n%s", diff)
	}
	if err := w.catalog.FinishReread(t.Context(), 1, "gone from the log"); err != nil {
		t.Fatal(err)
	}
	w.get(http.MethodGet, path, "", &list)
	if len(list.Rereads) != 3 || !list.Rereads[0].Done || list.Rereads[0].Problem != "gone from the log" || list.Rereads[2].Done {
		t.Errorf("listed: %+v", list)
	}
	for query, word := range map[string]string{
		"?start=3":                   "partition is missing",
		"?partition=0&start=3":       "end is missing",
		"?partition=0&start=3&end=3": "not below",
		"?partition=x":               "whole number",
		"?partition=7":               "nothing was ever committed",
	} {
		if e := w.refused(http.MethodPost, path+query, "", http.StatusBadRequest, "bad_request"); !strings.Contains(e.Message, word) {
			t.Errorf("%s: got %q, want %q", query, e.Message, word)
		}
	}
	w.refused(http.MethodGet, "/api/v1/tables/none/rereads", "", http.StatusNotFound, "not_found")
}

func TestDeclareLost(t *testing.T) {
	w := newWorld(t)
	def := w.apply()
	w.commit(def, segmenter.PartitionRange{Partition: 0, Start: 5, End: 25}) // its file was never made
	const path = "/api/v1/tables/clicks/lost"
	w.refused(http.MethodPost, path+"?partition=0&start=5&end=25", "", http.StatusBadRequest, "bad_request")
	if e := w.refused(http.MethodPost, path+"?partition=0&start=5&end=20&reason=fire", "", http.StatusConflict, "conflict"); !strings.Contains(e.Message, "whole rows") {
		t.Errorf("part of a row: got %q", e.Message)
	}
	var got Lost
	w.get(http.MethodPost, path+"?partition=0&start=5&end=25&reason=fire", "", &got)
	want := Lost{Project: "default", Table: "clicks", Range: segmenter.PartitionRange{Start: 5, End: 25}, Reason: "fire (declared by anonymous)"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	var offsets Offsets
	w.get(http.MethodGet, "/api/v1/tables/clicks/offsets?ranges", "", &offsets)
	if len(offsets.Ranges) != 1 || offsets.Ranges[0].State != "lost" || offsets.Ranges[0].Reason != want.Reason {
		t.Errorf("got %+v", offsets.Ranges)
	}
}
