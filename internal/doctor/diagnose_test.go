package doctor

import (
	"strings"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
	"github.com/tidemarkdb/tidemark/segmenter/plan"
)

var now = time.Date(2026, 1, 31, 6, 0, 0, 0, time.UTC)

// healthy is a table with two partitions that somebody reads, and a cube that somebody builds.
func healthy() *cubeFacts {
	t := &tableFacts{def: &cube.Table{Project: "default", Name: "clicks", Topic: "clicks"}}
	for p := range int32(2) {
		t.parts = append(t.parts, catalog.PartitionInfo{
			Partition: p, Owner: "n1", Generations: []catalog.GenerationInfo{{PartitionRange: segmenter.PartitionRange{Partition: p, End: 100}}},
		})
	}
	f := &cubeFacts{table: t, queue: &queue{nodes: []catalog.Node{{Name: "n1", SeenUs: now.UnixMicro() - 1}}}}
	f.Cube, f.Enabled, f.Partitions = &cube.Cube{Project: "default", Name: "c", ID: "id", Table: "clicks"}, true, t.parts
	return f
}

// D1: each thing that blocks is told in one sentence with the command that mends it, the first that must be mended first.
// Every case is added to those before it in the list: the newest comes first in the diagnosis.
func TestWhatBlocksACube(t *testing.T) {
	cases := []struct {
		name          string
		change        func(f *cubeFacts)
		says, command string
	}{
		{"nothing", func(*cubeFacts) {}, "moves: 0 segments are ready, 0 jobs are open, 200 committed offsets are in no segment yet", ""},
		{"a hole", func(f *cubeFacts) {
			f.Cube.FillHoles = cube.Off
			f.holes = []plan.Hole{{Range: segmenter.Vector{{Start: 10, End: 15}}, After: 1, Before: 3}}
		}, "has a hole of 5 offsets between segments 1 and 3", "tidemark segment holes c --fill"},
		{"by hand", func(f *cubeFacts) { f.Cube.Cut.Manual = true }, "is cut by request only, and 200 committed offsets are in no segment", "tidemark segment build c"},
		{"an attempt failed", func(f *cubeFacts) {
			f.jobs = append(f.jobs, catalog.Job{ID: 5, Kind: "build", Segment: 2, State: catalog.JobPending, Attempts: 2, Problem: "disk full", UntilUs: now.UnixMicro() + 8e6})
		}, "job 5 (build of segment 2) of cube default/c has failed 2 times and tries again in 8s: disk full", "tidemark job retry 5"},
		{"a store is gone", func(f *cubeFacts) {
			f.jobs = append([]catalog.Job{{ID: 3, Kind: "build", Segment: 1, State: catalog.JobPending, Attempts: 1, Stalls: 7, Problem: "hbase does not answer", UntilUs: now.UnixMicro() + 64e6}}, f.jobs...)
		}, "job 3 (build of segment 1) of cube default/c has met a store that does not answer 7 times in a row and tries again in 1m4s: hbase does not answer", "tidemark check"},
		{"staging", func(f *cubeFacts) {
			f.jobs = append([]catalog.Job{{ID: 4, Kind: "build", Segment: 1, State: catalog.JobWaiting, Problem: "waits for p0 [5,9)"}}, f.jobs...)
		}, "job 4 (build of segment 1) of cube default/c waits for p0 [5,9)", "tidemark table roll clicks"},
		{"an exclusive task", func(f *cubeFacts) {
			f.queue.tasks = append(f.queue.tasks, catalog.Task{ID: 9, Kind: "backup", State: "running", Node: "n1"})
		}, "task 9 (backup) runs alone on n1", "tidemark task cancel 9"},
		{"a task fails", func(f *cubeFacts) {
			f.queue.tasks = append([]catalog.Task{{ID: 8, Kind: "cut", Key: "cube/id", State: "init", Attempts: 3, Error: "no leader", DueInUs: 2e6}}, f.queue.tasks...)
		}, "task 8 (cut), which cube default/c waits for, has failed 3 times and tries again in 2s: no leader", "tidemark task retry 8"},
		{
			"nobody builds", func(f *cubeFacts) { f.queue.nodes[0].SeenUs = now.Add(-time.Hour).UnixMicro() },
			"no process builds cube default/c: the last was seen at 2026-01-31T05:00:00Z", "tidemark serve",
		},
		{
			"who only reads does not build", func(f *cubeFacts) {
				f.queue.nodes = []catalog.Node{{Name: "n1", SeenUs: now.UnixMicro(), Roles: []string{"ingest"}}}
			}, "no process builds cube default/c: none ever did", "tidemark serve",
		},
		{"nobody ever did", func(f *cubeFacts) { f.queue.nodes = nil }, "none ever did", "tidemark serve"},
		{"a job failed", func(f *cubeFacts) {
			f.jobs = append(f.jobs, catalog.Job{ID: 7, Kind: "merge", Segment: 4, State: catalog.JobFailed, Attempts: 5, Problem: "file is gone"})
		}, "job 7 (merge of segment 4) of cube default/c has failed after 5 attempts: file is gone", "tidemark job retry 7"},
		{"a task paused", func(f *cubeFacts) {
			f.queue.tasks = append(f.queue.tasks, catalog.Task{ID: 11, Kind: "plan_cut", Key: "plan_cut", State: "init", Paused: true})
		}, "task 11 (plan_cut) is paused and holds back cube default/c", "tidemark task resume 11"},
		{"a job paused", func(f *cubeFacts) {
			f.jobs = append(f.jobs, catalog.Job{ID: 6, Kind: "build", Segment: 3, State: catalog.JobPaused, Problem: "paused by ann"})
		}, "job 6 (build of segment 3) of cube default/c is paused by ann", "tidemark job resume 6"},
		{"disabled", func(f *cubeFacts) { f.Enabled, f.Reason = false, "moving house" }, "cube default/c is disabled: moving house", "tidemark cube enable c"},
		{
			"the table stopped", func(f *cubeFacts) { f.table.state = catalog.TableState{Stopped: true, Reason: "retention"} },
			"cube default/c gets nothing new: table default/clicks is stopped: retention", "tidemark table resume clicks",
		},
	}
	f := healthy()
	for _, c := range cases {
		c.change(f)
		got := f.diagnose(now)
		if !strings.Contains(got.Says, c.says) || got.Command != c.command || got.Blocked != (c.command != "") || strings.Contains(got.Says, "\n") {
			t.Errorf("%s: %+v, want %q and %q", c.name, got, c.says, c.command)
		}
	}
}

// What is of another cube, or of nobody, blocks nothing.
func TestOthersTasksDoNotBlock(t *testing.T) {
	f := healthy()
	f.queue.tasks = []catalog.Task{
		{ID: 1, Kind: "cut", Key: "cube/other", State: "init", Paused: true},
		{ID: 2, Kind: "body", Key: "body/other", State: "init", Attempts: 3, Error: "x"},
		{ID: 3, Kind: "cleanup", State: "init"},
		{ID: 4, Kind: "cut", Key: "cube/id", State: "running"},
	}
	f.jobs = []catalog.Job{{ID: 1, State: catalog.JobRunning}}
	if got := f.diagnose(now); got.Blocked {
		t.Errorf("got %+v", got)
	}
}

func TestWaitForATableThatNobodyReads(t *testing.T) {
	f := healthy()
	f.Cube.Project, f.table.def.Project = "shop", "shop"
	f.jobs = []catalog.Job{{ID: 4, Kind: "build", Segment: 1, State: catalog.JobWaiting, Problem: "waits for p0 [5,9)"}}
	if got := f.diagnose(now); got.Command != "tidemark table roll clicks --project shop" {
		t.Errorf("read: %+v", got)
	}
	f.table.parts[0].Owner, f.table.parts[1].Owner = "", ""
	if got := f.diagnose(now); got.Command != "tidemark serve" || !strings.Contains(got.Says, "table shop/clicks is read by no process") {
		t.Errorf("not read: %+v", got)
	}
}

// A build waits for the file that its table rolls next: that blocks nothing before the file is late.
func TestWaitForStaging(t *testing.T) {
	f := healthy()
	f.table.def.Staging.RollAge = 2 * time.Minute
	f.jobs = []catalog.Job{
		{ID: 4, Kind: "build", Segment: 1, State: catalog.JobWaiting, Problem: "waits for p0 [5,9)", StartedUs: now.Add(-3 * time.Minute).UnixMicro()},
	}
	if got := f.diagnose(now); got.Blocked {
		t.Errorf("3m after it began: %+v", got)
	}
	late := now.Add(time.Second)
	f.queue.nodes[0].SeenUs = late.UnixMicro()
	const want = "waits for p0 [5,9) since 2026-01-31T05:57:00Z, longer than 3m0s (staging.roll.age and 1m0s more)"
	if got := f.diagnose(late); !got.Blocked || !strings.Contains(got.Says, want) || got.Command != "tidemark table roll clicks" {
		t.Errorf("a second later: %+v, want %q", got, want)
	}
	f.jobs[0].StartedUs = now.UnixMicro()
	f.jobs = append(f.jobs, catalog.Job{ID: 5, Kind: "build", Segment: 2, State: catalog.JobPending, Attempts: 2, Problem: "disk full"})
	if got := f.diagnose(now); !strings.Contains(got.Says, "disk full") {
		t.Errorf("another job behind one that waits: %+v", got)
	}
}

func TestWhatBlocksATable(t *testing.T) {
	for name, c := range map[string]struct {
		change        func(t *tableFacts)
		says, command string
	}{
		"nothing":   {func(*tableFacts) {}, "is read: 0 events are committed in 2 partitions", ""},
		"stopped":   {func(t *tableFacts) { t.state = catalog.TableState{Stopped: true, Reason: "too many bad"} }, "is stopped: too many bad", "tidemark table resume clicks"},
		"never":     {func(t *tableFacts) { t.parts = nil }, "was never read", "tidemark serve"},
		"nobody":    {func(t *tableFacts) { t.parts[0].Owner, t.parts[1].Owner = "", "" }, "is read by no process", "tidemark serve"},
		"only some": {func(t *tableFacts) { t.parts[1].Owner = "" }, "partitions 1 of table default/clicks are read by no process", "tidemark serve"},
		"killed": {
			func(t *tableFacts) { t.nodes = []catalog.Node{{Name: "n1", SeenUs: now.Add(-2 * silent).UnixMicro()}} },
			"is read by no process; node n1, which had them, was last seen at", "tidemark serve",
		},
		"seen just now": {
			func(t *tableFacts) {
				t.nodes = []catalog.Node{{Name: "n1", SeenUs: now.Add(time.Second - silent).UnixMicro()}}
			}, "is read: 0 events", "",
		},
		"another was killed": {
			func(t *tableFacts) { t.nodes = []catalog.Node{{Name: "n2", SeenUs: 1}} }, "is read: 0 events", "",
		},
	} {
		f := healthy().table
		c.change(f)
		if got := f.diagnose(now); !strings.Contains(got.Says, c.says) || got.Command != c.command || got.Blocked != (c.command != "") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
