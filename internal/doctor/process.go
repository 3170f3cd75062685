package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Limits of what is still well.
const (
	alive       = 15 * time.Second // since a heartbeat: the lease of a process
	maxSkew     = 10 * time.Second // between the clocks of two processes
	failedTimes = 3                // attempts of one task
	maxSegments = 500              // ready ones of a cube, as in deploy/alerts.yaml

	fullFree     = 512 << 20 // bytes: a file or two
	fullShare    = 0.01
	scarceFree   = 10 << 30
	scarceShare  = 0.05
	bytesInAMega = 1_000_000
)

// Source is a partition of a table as the process that reads it sees it; the partition is -1 where the table cannot be read
// at all.
type Source struct {
	Project, Table string
	Partition      int32
	State, Reason  string
}

// Disk is the room of a folder.
type Disk struct {
	Dir         string
	Free, Total int64 // bytes, for a process without special rights
}

// Findings says whether the room is enough.
func (d Disk) Findings() []Finding {
	f := Finding{Kind: "disk", Name: d.Dir, Command: "df -h " + d.Dir}
	share := float64(d.Free) / float64(max(d.Total, 1))
	f.Says = fmt.Sprintf("the disk of %s has %d MB left of %d", d.Dir, d.Free/bytesInAMega, d.Total/bytesInAMega)
	switch {
	case d.Free < fullFree || share < fullShare:
		f.Blocked = true
		f.Says += ": reading and builds stop where it is full"
	case d.Free < scarceFree && share < scarceShare:
		f.Severity = Warning
		f.Says += ": nearly full"
	default:
		return nil
	}
	return []Finding{f.graded()}
}

// diagnoseTasks tells of tasks that fail again and again, whomever they serve.
func (q *queue) diagnoseTasks() (list []Finding) {
	for _, t := range q.tasks {
		if t.State == "init" && t.Attempts >= failedTimes && t.Error != "" {
			list = append(list, Finding{
				Kind: "task", Name: fmt.Sprint(t.ID), Blocked: true, Command: fmt.Sprintf("tidemark task retry %d", t.ID),
				Says: fmt.Sprintf("%s has failed %d times and tries again in %s: %s", task(t), t.Attempts,
					max(0, time.Duration(t.DueInUs)*time.Microsecond).Round(time.Second), t.Error),
			})
		}
	}
	return list
}

// diagnoseNodes compares the processes that live with each other. What each of their clocks shows at this moment is the time of
// its heartbeat and what has gone by since, which the task clock counts whatever their clocks say. It stands still where nobody
// schedules or builds: then nobody knows who lives.
func (q *queue) diagnoseNodes(now time.Time) (list []Finding) {
	if !slices.ContainsFunc(q.nodes, func(n catalog.Node) bool {
		return (n.Has("schedule") || n.Has("build")) && now.Sub(time.UnixMicro(n.SeenUs)) < catalog.NodeSilence
	}) {
		return nil
	}
	var live []catalog.Node
	for _, n := range q.nodes {
		if time.Duration(n.SilentUs)*time.Microsecond < alive {
			live = append(live, n)
		}
	}
	if len(live) < 2 {
		return nil
	}
	shows := func(n catalog.Node) int64 { return n.SeenUs + n.SilentUs }
	first := slices.MinFunc(live, func(a, b catalog.Node) int { return cmp.Compare(shows(a), shows(b)) })
	last := slices.MaxFunc(live, func(a, b catalog.Node) int { return cmp.Compare(shows(a), shows(b)) })
	if apart := time.Duration(shows(last)-shows(first)) * time.Microsecond; apart > maxSkew {
		list = append(list, Finding{
			Kind: "process", Name: first.Name, Severity: Warning, Command: "timedatectl set-ntp true",
			Says: fmt.Sprintf("the clock of process %s is %s behind that of %s: one of both is wrong, and retention, clean-up and what is asked of now go by it",
				first.Name, apart.Round(time.Second), last.Name),
		})
	}
	for _, n := range live[1:] {
		if n.Version != live[0].Version {
			list = append(list, Finding{
				Kind: "process", Name: n.Name, Severity: Warning,
				Says: fmt.Sprintf("process %s runs tidemark %s, and %s runs %s: bring all to the newer one", live[0].Name, live[0].Version, n.Name, n.Version),
			})
			break
		}
	}
	return list
}

// diagnoseSources tells why partitions are not read though a process has them: brokers that do not answer, a topic that is gone,
// rights that are missing. Equal reasons are told once.
func diagnoseSources(sources []Source, q Query) (list []Finding) {
	type trouble struct{ project, table, state, reason string }
	parts := map[trouble][]string{}
	var order []trouble
	for _, s := range sources {
		if s.State != "failing" && s.State != "waiting_for_topic" || q.Project != "" && q.Project != s.Project || q.Name != "" && q.Name != s.Table {
			continue
		}
		k := trouble{s.Project, s.Table, s.State, s.Reason}
		if _, known := parts[k]; !known {
			order = append(order, k)
		}
		if parts[k] = append(parts[k], fmt.Sprint(s.Partition)); s.Partition < 0 {
			parts[k] = nil
		}
	}
	for _, k := range order {
		says := fmt.Sprintf("table %s/%s", k.project, k.table)
		if p := parts[k]; len(p) > 0 {
			says = "partitions " + strings.Join(p, ", ") + " of " + says
		}
		if k.state == "failing" {
			says += " cannot be read and tried again: "
		} else {
			says += " waits for its topic: "
		}
		list = append(list, Finding{Project: k.project, Kind: "source", Name: k.table, Blocked: true, Says: says + orElse(k.reason, k.state), Command: "tidemark check"})
	}
	return list
}

// diagnoseStore tells that the store does not answer.
func diagnoseStore(problem string) []Finding {
	if problem == "" {
		return nil
	}
	return []Finding{{Kind: "store", Blocked: true, Says: "the store does not answer: " + problem, Command: "tidemark check"}}
}

// diagnoseKafka tells that no broker answers, whether or not there are tables to read.
func diagnoseKafka(problem string) []Finding {
	if problem == "" {
		return nil
	}
	return []Finding{{Kind: "kafka", Blocked: true, Says: "no broker answers: " + problem, Command: "tidemark check"}}
}

// Unreachable is the report where not even the catalog could be asked.
func Unreachable(err error) *Report {
	f := Finding{Kind: "catalog", Blocked: true, Says: err.Error(), Command: "tidemark check"}
	return &Report{Findings: []Finding{f.graded()}}
}
