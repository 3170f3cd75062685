package server

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/segmenter"
)

func TestOffsetsAndTheirRanges(t *testing.T) {
	w := newWorld(t)
	def := w.apply()
	for start := int64(5); start < 55; start += 10 {
		w.commit(def, segmenter.PartitionRange{Partition: 0, Start: start, End: start + 10}, start+3)
	}
	w.commit(def, segmenter.PartitionRange{Partition: 1, Start: 0, End: 4})
	var got Offsets
	w.get(http.MethodGet, "/api/v1/tables/clicks/offsets", "", &got)
	if len(got.Partitions) != 2 || got.Ranges != nil {
		t.Fatalf("got %+v", got)
	}
	p := got.Partitions[0]
	if p.Start != 5 || p.Committed != 55 || p.Stats.Events != 45 || p.Stats.Quarantined != 5 || p.Stats.Files != 5 || p.Owner != "me" {
		t.Errorf("partition 0: %+v", p)
	}
	if diff := cmp.Diff([]Generation{{Start: 5, End: 55}}, p.Generations); diff != "" {
		t.Error(diff)
	}

	var starts []int64
	next := ""
	for pages := 0; ; pages++ {
		w.get(http.MethodGet, "/api/v1/tables/clicks/offsets?ranges&limit=2&after="+next, "", &got)
		for _, r := range got.Ranges {
			starts = append(starts, r.Start)
			if r.Partition == 0 && (r.Events != 9 || r.Quarantined != 1 || r.State != "staged" || r.File == "" || r.MinTime.Unix() != 1) {
				t.Errorf("range %+v", r)
			}
		}
		if next = got.Next; next == "" {
			if pages != 3 {
				t.Errorf("%d pages of 2 for 6 ranges and the empty last one", pages+1)
			}
			break
		}
		got = Offsets{}
	}
	if diff := cmp.Diff([]int64{5, 15, 25, 35, 45, 0}, starts); diff != "" {
		t.Error(diff)
	}
	got = Offsets{}
	if w.get(http.MethodGet, "/api/v1/tables/clicks/offsets?ranges&partition=1", "", &got); len(got.Ranges) != 1 {
		t.Errorf("partition 1: %+v", got.Ranges)
	}
	for _, bad := range []string{"after=x", "after=1.2", "after=1.2.-3", "after=9999999999.0.0", "limit=0", "limit=x", "partition=-2"} {
		w.refused(http.MethodGet, "/api/v1/tables/clicks/offsets?ranges&"+bad, "", http.StatusBadRequest, "bad_request")
	}
}

func TestQuarantineIsListedInPages(t *testing.T) {
	w := newWorld(t)
	def := w.apply()
	w.commit(def, segmenter.PartitionRange{Partition: 0, Start: 0, End: 10}, 2, 3, 7)
	w.commit(def, segmenter.PartitionRange{Partition: 0, Start: 10, End: 20}, 11)
	w.commit(def, segmenter.PartitionRange{Partition: 1, Start: 0, End: 5}, 0)
	type at struct {
		Partition int32
		Offset    int64
	}
	var all []at
	next := ""
	for range 10 {
		var got Quarantine
		w.get(http.MethodGet, "/api/v1/tables/clicks/quarantine?limit=2&after="+next, "", &got)
		if got.Total != 5 {
			t.Errorf("total %d, want 5", got.Total)
		}
		for _, r := range got.Records {
			all = append(all, at{r.Partition, r.Offset})
			if !r.Value.Cut || len(r.Value.Text) > previewBytes || strings.ContainsRune(r.Value.Text, '�') || r.Bytes != 300 {
				t.Errorf("preview of %d: %+v", r.Offset, r.Value)
			}
		}
		if next = got.Next; next == "" {
			break
		}
	}
	if diff := cmp.Diff([]at{{0, 2}, {0, 3}, {0, 7}, {0, 11}, {1, 0}}, all); diff != "" {
		t.Error(diff)
	}
	for query, want := range map[string]int{"partition=1": 1, "reason=not_json": 5, "reason=tombstone": 0} {
		var got Quarantine
		if w.get(http.MethodGet, "/api/v1/tables/clicks/quarantine?"+query, "", &got); len(got.Records) != want {
			t.Errorf("%s: %d records, want %d", query, len(got.Records), want)
		}
	}
}

func TestQuarantineShowsOneRecordWhole(t *testing.T) {
	w := newWorld(t)
	def := w.apply()
	w.commit(def, segmenter.PartitionRange{Partition: 0, Start: 0, End: 10}, 2)
	var got Record
	w.get(http.MethodGet, "/api/v1/tables/clicks/quarantine/0/2", "", &got)
	want := Payload{Text: strings.Repeat("é", 150)}
	if diff := cmp.Diff(want, got.Value); diff != "" {
		t.Error(diff)
	}
	if got.Key == nil || got.Key.Base64 != "/w==" || len(got.Headers) != 1 || got.Headers[0].Value.Text != "v" || got.Timestamp.UnixMilli() != 1002 {
		t.Errorf("got %+v", got)
	}
	for _, path := range []string{"0/3", "0/99", "7/2", "0/2?generation=1"} {
		w.refused(http.MethodGet, "/api/v1/tables/clicks/quarantine/"+path, "", http.StatusNotFound, "not_found")
	}
	for _, path := range []string{"x/2", "0/-1", "0/2?generation=x"} {
		w.refused(http.MethodGet, "/api/v1/tables/clicks/quarantine/"+path, "", http.StatusBadRequest, "bad_request")
	}
}

func TestCursorReadsBack(t *testing.T) {
	r := segmenter.PartitionRange{Partition: 3, Generation: 2, Start: 9, End: 9}
	got, err := parseCursor(cursor(r))
	if err != nil || *got != r {
		t.Errorf("got %v, %v", got, err)
	}
}

func FuzzParseCursor(f *testing.F) {
	f.Add("1.2.3")
	f.Add("..")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseCursor(text)
		if err == nil && got != nil {
			if again, err := parseCursor(cursor(*got)); err != nil || *again != *got {
				t.Errorf("%q: %v is read back as %v, %v", text, got, again, err)
			}
		}
	})
}

// What is shown of bytes is their beginning, whole letters where they are letters.
func FuzzPayload(f *testing.F) {
	f.Add([]byte("é"), 1)
	f.Add([]byte{0xff}, 0)
	f.Fuzz(func(t *testing.T, b []byte, limit int) {
		limit = max(0, limit%300)
		p := payload(b, false, limit)
		got := []byte(p.Text)
		if p.Base64 != "" {
			var err error
			if got, err = base64.StdEncoding.DecodeString(p.Base64); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.HasPrefix(b, got) || !p.Cut && len(got) != len(b) || limit > 0 && len(got) > limit {
			t.Errorf("%q up to %d: %+v", b, limit, p)
		}
		if utf8.Valid(b) && p.Base64 != "" {
			t.Errorf("%q up to %d: a letter was cut: %+v", b, limit, p)
		}
	})
}
