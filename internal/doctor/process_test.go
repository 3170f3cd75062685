package doctor

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

func one(t *testing.T, list []Finding, says, command string, severity Severity) {
	t.Helper()
	if len(list) != 1 {
		t.Errorf("got %+v, want one finding that says %q", list, says)
		return
	}
	if f := list[0].graded(); !strings.Contains(f.Says, says) || f.Command != command || f.Severity != severity || strings.Contains(f.Says, "\n") {
		t.Errorf("got %+v, want %q and %q, %s", f, says, command, severity)
	}
}

func TestDisksThatAreNearlyFull(t *testing.T) {
	const gb = 1_000_000_000
	one(t, Disk{"/data", 5 * gb, 200 * gb}.Findings(), "the disk of /data has 5000 MB left of 200000: nearly full", "df -h /data", Warning)
	one(t, Disk{"/data", gb / 10, 2 * gb}.Findings(), "has 100 MB left of 2000: reading and builds stop", "df -h /data", Blocked)
	one(t, Disk{"/data", 5 * gb, 2000 * gb}.Findings(), "reading and builds stop", "df -h /data", Blocked)
	for _, d := range []Disk{{"/small", 5 * gb, 10 * gb}, {"/large", 50 * gb, 2000 * gb}} {
		if got := d.Findings(); len(got) != 0 {
			t.Errorf("%+v: got %+v, want nothing", d, got)
		}
	}
}

func TestTasksThatFailForTheThirdTime(t *testing.T) {
	q := &queue{tasks: []catalog.Task{
		{ID: 1, Kind: "cleanup", State: "init", Attempts: 2, Error: "x"},
		{ID: 2, Kind: "cleanup", State: "running", Attempts: 3, Error: "x"},
		{ID: 3, Kind: "backup", State: "init", Attempts: 3, Error: "access denied", DueInUs: 4e6},
	}}
	one(t, q.diagnoseTasks(), "task 3 (backup) has failed 3 times and tries again in 4s: access denied", "tidemark task retry 3", Blocked)
}

func TestProcessesThatDisagree(t *testing.T) {
	at := func(name, version string, seen time.Time, silent time.Duration) catalog.Node {
		return catalog.Node{Name: name, Version: version, SeenUs: seen.UnixMicro(), SilentUs: silent.Microseconds()}
	}
	for name, nodes := range map[string][]catalog.Node{
		"one alone":                 {at("a", "v1", now, 0)},
		"heartbeats apart":          {at("a", "v1", now, 0), at("b", "v1", now.Add(-5*time.Second), 5*time.Second)},
		"one that died long before": {at("a", "v1", now, 0), at("b", "v0", now.Add(-time.Hour), time.Minute)},
	} {
		if got := (&queue{nodes: nodes}).diagnoseNodes(now); len(got) != 0 {
			t.Errorf("%s: got %+v, want nothing", name, got)
		}
	}
	stopped := at("a", "v1", now.Add(-2*time.Hour), 0) // with it the task clock
	stopped.Roles = []string{"schedule", "build"}
	asks := at("b", "v1", now, 0)
	asks.Roles = []string{"query"}
	if got := (&queue{nodes: []catalog.Node{stopped, asks}}).diagnoseNodes(now); len(got) != 0 {
		t.Errorf("nobody moves the task clock: got %+v, want nothing", got)
	}
	skewed := &queue{nodes: []catalog.Node{at("a", "v1", now, 0), at("b", "v1", now.Add(-24*time.Hour), 3*time.Second)}}
	one(t, skewed.diagnoseNodes(now), "the clock of process b is 23h59m57s behind that of a", "timedatectl set-ntp true", Warning)
	mixed := &queue{nodes: []catalog.Node{at("a", "v2", now, 0), at("b", "v1", now, 0)}}
	one(t, mixed.diagnoseNodes(now), "process a runs tidemark v2, and b runs v1", "", Warning)
}

func TestPartitionsThatCannotBeRead(t *testing.T) {
	sources := []Source{
		{"default", "clicks", 0, "failing", "TOPIC_AUTHORIZATION_FAILED"},
		{"default", "clicks", 1, "failing", "TOPIC_AUTHORIZATION_FAILED"},
		{"default", "clicks", 2, "reading", ""},
	}
	one(t, diagnoseSources(sources, Query{}), "partitions 0, 1 of table default/clicks cannot be read and tried again: TOPIC_AUTHORIZATION_FAILED", "tidemark check", Blocked)
	one(t, diagnoseSources([]Source{{"shop", "views", -1, "waiting_for_topic", "topic views does not exist"}}, Query{}),
		"table shop/views waits for its topic: topic views does not exist", "tidemark check", Blocked)
	if got := diagnoseSources(sources, Query{Name: "other"}); len(got) != 0 {
		t.Errorf("of another table: %+v", got)
	}
}

func TestStoreAndCatalogThatDoNotAnswer(t *testing.T) {
	one(t, diagnoseStore("access denied"), "the store does not answer: access denied", "tidemark check", Blocked)
	one(t, Unreachable(errors.New("the catalog is newer than this program")).Findings, "newer than this program", "tidemark check", Blocked)
	one(t, diagnoseKafka("broker-1:9092: connection refused"), "no broker answers: broker-1:9092: connection refused", "tidemark check", Blocked)
	if got := diagnoseKafka(""); len(got) != 0 {
		t.Errorf("brokers that answer: %+v", got)
	}
	if got := diagnoseStore(""); len(got) != 0 {
		t.Errorf("a store that answers: %+v", got)
	}
}

func TestTooManySegments(t *testing.T) {
	f := healthy()
	for range maxSegments + 1 {
		f.Segments = append(f.Segments, catalog.SegmentEntry{Segment: segmenter.Segment{State: segmenter.SegmentReady}})
	}
	one(t, []Finding{f.diagnose(now)}, "cube default/c has 501 ready segments", "tidemark segment plan c", Warning)
}

func TestLostOffsetsAreTold(t *testing.T) {
	f := healthy().table
	f.parts[1].Stats.Lost = 7
	one(t, []Finding{f.diagnose(now)}, "7 offsets are lost", "", Fine)
}
