package doctor

import (
	"fmt"
	"strings"
	"time"

	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// silent is how long a process may say nothing before it is taken for dead.
const silent = catalog.NodeSilence

// stagingSlack is how long a build may wait for staging beyond the age at which the table rolls its files (staging.roll.age): the
// file is written and committed meanwhile.
const stagingSlack = time.Minute

// flag is what a command needs to find a project.
func flag(project string) string {
	if project == "default" {
		return ""
	}
	return " --project " + project
}

func (t *tableFacts) finding() Finding {
	return Finding{Project: t.def.Project, Kind: "table", Name: t.def.Name}
}

func (t *tableFacts) String() string { return "table " + t.def.Project + "/" + t.def.Name }

// reader reports whether a process reads a partition, and which has died over it: its name stays where it was killed. The
// heartbeat of a process decides; of one that the catalog does not know nothing is said.
func (t *tableFacts) reader(p catalog.PartitionInfo, now time.Time) (reads bool, died string) {
	for _, n := range t.nodes {
		if n.Name == p.Owner && !n.Live(t.nodes, now, time.Time{}) {
			return false, fmt.Sprintf("; node %s, which had them, was last seen at %s", n.Name, time.UnixMicro(n.SeenUs).UTC().Format(time.RFC3339))
		}
	}
	return p.Owner != "", ""
}

// blocked returns why a table is not read, or ok=true.
func (t *tableFacts) blocked(now time.Time) (says, command string, ok bool) {
	if t.state.Stopped {
		return fmt.Sprintf("%s is stopped: %s", t, t.state.Reason), "tidemark table resume " + t.def.Name + flag(t.def.Project), false
	}
	var orphans []string
	last := ""
	for _, p := range t.parts {
		reads, died := t.reader(p, now)
		if !reads {
			orphans = append(orphans, fmt.Sprint(p.Partition))
		}
		last = orElse(died, last)
	}
	switch {
	case len(t.parts) == 0:
		return fmt.Sprintf("%s was never read: no process reads, or topic %s does not exist", t, t.def.Topic), "tidemark serve", false
	case len(orphans) == len(t.parts):
		return fmt.Sprintf("%s is read by no process%s", t, last), "tidemark serve", false
	case len(orphans) > 0:
		return fmt.Sprintf("partitions %s of %s are read by no process%s", strings.Join(orphans, ", "), t, last), "tidemark serve", false
	}
	return "", "", true
}

func (t *tableFacts) diagnose(now time.Time) Finding {
	f := t.finding()
	says, command, ok := t.blocked(now)
	if !ok {
		f.Blocked, f.Says, f.Command = true, says, command
		return f
	}
	var events, lost int64
	for _, p := range t.parts {
		events += p.Stats.Events
		lost += p.Stats.Lost
	}
	f.Says = fmt.Sprintf("%s is read: %d events are committed in %d partitions", t, events, len(t.parts))
	if lost > 0 {
		f.Says += fmt.Sprintf("; %d offsets are lost: Kafka removed them before they were read (tidemark table offsets %s --ranges)", lost, t.def.Name)
	}
	return f
}

func (f *cubeFacts) String() string { return "cube " + f.Cube.Project + "/" + f.Cube.Name }

// diagnose asks one thing after the other; the first that blocks is told (D1).
func (f *cubeFacts) diagnose(now time.Time) Finding {
	out := Finding{Project: f.Cube.Project, Kind: "cube", Name: f.Cube.Name}
	for _, ask := range []func(time.Time) (says, command string){
		f.byTable, f.byPerson, f.byFailure, f.byProcess, f.byTask, f.byWait, f.byRules,
	} {
		if says, command := ask(now); says != "" {
			out.Blocked, out.Says, out.Command = true, says, command
			return out
		}
	}
	ready := 0
	for _, s := range f.Segments {
		if s.State == segmenter.SegmentReady {
			ready++
		}
	}
	if ready > maxSegments {
		out.Severity, out.Command = Warning, "tidemark segment plan "+f.Cube.Name+flag(f.Cube.Project)
		out.Says = fmt.Sprintf("%s has %d ready segments, over %d: merges do not keep up, and queries read all that their times touch", f, ready, maxSegments)
		return out
	}
	out.Says = fmt.Sprintf("%s moves: %d segments are ready, %d jobs are open, %d committed offsets are in no segment yet",
		f, ready, len(f.jobs), f.unbuilt())
	return out
}

func (f *cubeFacts) byTable(now time.Time) (says, command string) {
	if f.table == nil || !f.table.state.Stopped {
		return "", ""
	}
	says, command, _ = f.table.blocked(now)
	return fmt.Sprintf("%s gets nothing new: %s", f, says), command
}

// byPerson: somebody has stopped it.
func (f *cubeFacts) byPerson(time.Time) (says, command string) {
	if !f.Enabled {
		return fmt.Sprintf("%s is disabled: %s", f, f.Reason), "tidemark cube enable " + f.Cube.Name + flag(f.Cube.Project)
	}
	for _, j := range f.jobs {
		if j.State == catalog.JobPaused {
			return fmt.Sprintf("%s of %s is %s", job(j), f, orElse(j.Problem, "paused")), fmt.Sprintf("tidemark job resume %d", j.ID)
		}
	}
	for _, t := range f.tasks() {
		if t.Paused {
			return fmt.Sprintf("%s is paused and holds back %s", task(t), f), fmt.Sprintf("tidemark task resume %d", t.ID)
		}
	}
	return "", ""
}

func job(j catalog.Job) string {
	return fmt.Sprintf("job %d (%s of segment %d)", j.ID, j.Kind, j.Segment)
}

func task(t catalog.Task) string { return fmt.Sprintf("task %d (%s)", t.ID, t.Kind) }

func orElse(text, instead string) string {
	if text == "" {
		return instead
	}
	return text
}

// byFailure: a job has used up its attempts and holds its offsets.
func (f *cubeFacts) byFailure(time.Time) (says, command string) {
	for _, j := range f.jobs {
		if j.State == catalog.JobFailed {
			return fmt.Sprintf("%s of %s has failed after %d attempts: %s", job(j), f, j.Attempts+j.Stalls, j.Problem), fmt.Sprintf("tidemark job retry %d", j.ID)
		}
	}
	return "", ""
}

// byProcess: nobody is there to decide or to build.
func (f *cubeFacts) byProcess(now time.Time) (says, command string) {
	for _, of := range []struct{ role, does string }{{"build", "builds"}, {"schedule", "decides what is built of"}} {
		var last time.Time
		lives := false
		for _, n := range f.queue.nodes {
			if !n.Has(of.role) {
				continue
			}
			if seen := time.UnixMicro(n.SeenUs); seen.After(last) {
				last = seen
			}
			lives = lives || n.Live(f.queue.nodes, now, time.Time{})
		}
		switch {
		case last.IsZero():
			return fmt.Sprintf("no process %s %s: none ever did", of.does, f), "tidemark serve"
		case !lives:
			return fmt.Sprintf("no process %s %s: the last was seen at %s", of.does, f, last.UTC().Format(time.RFC3339)), "tidemark serve"
		}
	}
	return "", ""
}

// tasks are those that this cube waits for: its own, those that plan for all, and exclusive ones.
func (f *cubeFacts) tasks() (list []catalog.Task) {
	for _, t := range f.queue.tasks {
		own := t.Key == "cube/"+f.Cube.ID || t.Key == "body/"+f.Cube.ID
		if own || t.Key == t.Kind || t.Key == "" {
			list = append(list, t)
		}
	}
	return list
}

// byTask: a task of its key fails again and again, or an exclusive one runs.
func (f *cubeFacts) byTask(time.Time) (says, command string) {
	for _, t := range f.tasks() {
		switch {
		case t.State == "init" && t.Attempts > 0 && t.Error != "" && t.Key != "":
			return fmt.Sprintf("%s, which %s waits for, has failed %d times and tries again in %s: %s", task(t), f, t.Attempts,
				max(0, time.Duration(t.DueInUs)*time.Microsecond).Round(time.Second), t.Error), fmt.Sprintf("tidemark task retry %d", t.ID)
		case t.State == "running" && t.Key == "":
			return fmt.Sprintf("%s runs alone on %s, and %s waits for it", task(t), t.Node, f), fmt.Sprintf("tidemark task cancel %d", t.ID)
		}
	}
	return "", ""
}

// byWait: a job cannot go on yet.
func (f *cubeFacts) byWait(now time.Time) (says, command string) {
	for _, j := range f.jobs {
		switch {
		case j.State == catalog.JobWaiting:
			if says, command := f.byStaging(j, now); says != "" {
				return says, command
			}
		case j.State == catalog.JobPending && j.Stalls > 0 && j.Problem != "": // it goes on by itself
			return fmt.Sprintf("%s of %s has met a store that does not answer %d times in a row and tries again in %s: %s", job(j), f, j.Stalls,
				max(0, time.UnixMicro(j.UntilUs).Sub(now)).Round(time.Second), j.Problem), "tidemark check"
		case j.State == catalog.JobPending && j.Attempts > 0 && j.Problem != "":
			return fmt.Sprintf("%s of %s has failed %d times and tries again in %s: %s", job(j), f, j.Attempts,
				max(0, time.UnixMicro(j.UntilUs).Sub(now)).Round(time.Second), j.Problem), fmt.Sprintf("tidemark job retry %d", j.ID)
		}
	}
	return "", ""
}

// byStaging: what a job needs is not staged, and nobody stages it, or it has taken longer than that does.
func (f *cubeFacts) byStaging(j catalog.Job, now time.Time) (says, command string) {
	says = fmt.Sprintf("%s of %s %s", job(j), f, orElse(j.Problem, "waits for staging"))
	limit := stagingSlack
	if f.table != nil {
		if why, command, ok := f.table.blocked(now); !ok {
			return says + ", and " + why, command
		}
		limit += f.table.def.Staging.RollAge
	}
	waited := now.Sub(time.UnixMicro(j.StartedUs))
	if waited <= limit {
		return "", "" // the next file holds it
	}
	says += fmt.Sprintf(" since %s, longer than %s (staging.roll.age and %s more)", time.UnixMicro(j.StartedUs).UTC().Format(time.RFC3339), limit, stagingSlack)
	return says, "tidemark table roll " + f.Cube.Table + flag(f.Cube.Project)
}

// byRules: the definition leaves it to people.
func (f *cubeFacts) byRules(time.Time) (says, command string) {
	project := flag(f.Cube.Project)
	if n := f.unbuilt(); f.Cube.Cut.Manual && n > 0 && len(f.jobs) == 0 {
		return fmt.Sprintf("%s is cut by request only, and %d committed offsets are in no segment", f, n), "tidemark segment build " + f.Cube.Name + project
	}
	for _, h := range f.holes {
		if !f.Cube.FillHoles.On() || !h.Fillable() {
			return fmt.Sprintf("%s has a hole of %d offsets %s", f, h.Range.Len(), h.Place()),
				"tidemark segment holes " + f.Cube.Name + " --fill" + project
		}
	}
	return "", ""
}
