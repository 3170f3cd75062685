package cube

import (
	"fmt"
	"slices"
	"time"
)

func (k *cubeChecker) cubeStart(s CubeStart) {
	if s.At != startTime && !s.Time.IsZero() || s.At != startOffsets && len(s.Offsets) > 0 {
		k.add("start", "a time or offsets are given, but not used with "+s.At, "write one of the two")
		return
	}
	switch s.At {
	case startEarliest, startLatest:
	case startTime:
		k.start(Start{At: s.At, Time: s.Time})
	case startOffsets:
		if len(s.Offsets) == 0 || len(s.Offsets) > maxStartOffsets {
			k.add("start", fmt.Sprintf("names %d partitions", len(s.Offsets)), fmt.Sprintf("write 1 to %d", maxStartOffsets))
			return
		}
		for i, o := range s.Offsets {
			switch {
			case o.Partition < 0 || o.Offset < 0:
				k.add("start", fmt.Sprintf("%d:%d is no place in a partition", o.Partition, o.Offset), cubeStartHelp)
			case i > 0 && o.Partition == s.Offsets[i-1].Partition:
				k.add("start", fmt.Sprintf("partition %d is there twice", o.Partition), "remove one")
			case i > 0 && o.Partition < s.Offsets[i-1].Partition:
				k.add("start", fmt.Sprintf("partition %d comes after %d", o.Partition, s.Offsets[i-1].Partition), "write partitions in ascending order")
			}
		}
	default:
		k.add("start", fmt.Sprintf("unknown start %s", clip(s.At)), cubeStartHelp)
	}
}

// within checks what is set.
func within[T int64 | time.Duration](k *cubeChecker, path string, v T, l limit[T]) {
	if v != 0 {
		l.check(&k.checker, path, v)
	}
}

func (k *cubeChecker) cut(r CutRules) {
	within(k, "cut.age", r.Age, limit[time.Duration]{minCutAge, maxCutAge, spanText})
	within(k, "cut.rows", r.Rows, limit[int64]{minCutRows, maxCutRows, countText})
	within(k, "cut.bytes", r.Bytes, limit[int64]{minCutBytes, maxCutBytes, formatSize})
	within(k, "cut.rows_per_build", r.RowsPerBuild, limit[int64]{minRowsPerBuild, maxRowsPerBuild, countText})
	if r.Rows > r.RowsPerBuild && r.Rows <= maxCutRows && r.RowsPerBuild >= minRowsPerBuild {
		k.add("cut.rows", fmt.Sprintf("%d is never reached: a build takes at most %d", r.Rows, r.RowsPerBuild), "write less, or more at rows_per_build")
	}
	if r.Manual && (r.Age != 0 || r.Rows != 0 || r.Bytes != 0 || len(r.Crons) > 0) {
		k.add("cut.manual", "with manual: true no other rule cuts", "remove manual, or age, rows, bytes and crons")
	}
	if len(r.Crons) > maxCrons {
		k.add("cut.crons", fmt.Sprintf("has %d crons", len(r.Crons)), fmt.Sprintf("write at most %d: a field can be a list, 0,15,30,45", maxCrons))
		return
	}
	for i, c := range r.Crons {
		at := fmt.Sprintf("cut.crons[%d]", i)
		k.addErr(at+".cron", checkCron(c.Cron))
		if c.TimeZone != "" {
			k.timeZone(at+".time_zone", c.TimeZone)
		}
		if c.Cron != "" && slices.Contains(r.Crons[:i], c) {
			k.add(at, "is there already", "remove one")
		}
	}
}

func (k *cubeChecker) merge(r MergeRules) {
	switch {
	case r.Manual && (len(r.Budget) > 0 || len(r.TimeRanges) > 0 || r.Volatile != 0 || r.MaxRows != 0):
		k.add("merge.manual", "with manual: true nothing is merged by itself", "remove manual, or the other rules")
	case len(r.Budget) > 0 && len(r.TimeRanges) > 0:
		k.add("merge.time_ranges", "budget and time_ranges are two ways to plan merges", "remove one of the two")
	}
	within(k, "merge.volatile", r.Volatile, limit[time.Duration]{minMergeSpan, maxMergeSpan, spanText})
	within(k, "merge.max_rows", r.MaxRows, limit[int64]{minMergeRows, maxMergeRows, countText})
	if len(r.Budget) > maxBudget || len(r.TimeRanges) > maxBudget {
		k.add("merge", fmt.Sprintf("has %d steps", max(len(r.Budget), len(r.TimeRanges))), fmt.Sprintf("write at most %d", maxBudget))
		return
	}
	for i, a := range r.Budget {
		at := fmt.Sprintf("merge.budget[%d]", i)
		limit[int64]{1, maxBudgetSegments, countText}.check(&k.checker, at+".segments", int64(a.Segments))
		within(k, at+".younger_than", a.YoungerThan, limit[time.Duration]{minMergeSpan, maxMergeSpan, spanText})
		switch {
		case i > 0 && a.YoungerThan != 0 && a.YoungerThan <= r.Budget[i-1].YoungerThan:
			k.add(at+".younger_than", fmt.Sprintf("%s is not above the one before, %s", spanText(a.YoungerThan), spanText(r.Budget[i-1].YoungerThan)), "write ages from young to old")
		case a.YoungerThan == 0 && i+1 < len(r.Budget):
			k.add(at+".younger_than", "missing", "write younger_than: 7d; only the last step may be without end")
		}
	}
	for i, d := range r.TimeRanges {
		at := fmt.Sprintf("merge.time_ranges[%d]", i)
		limit[time.Duration]{minMergeSpan, maxMergeSpan, spanText}.check(&k.checker, at, d)
		if i > 0 && d <= r.TimeRanges[i-1] {
			k.add(at, fmt.Sprintf("%s is not above the one before, %s", spanText(d), spanText(r.TimeRanges[i-1])), "write ranges from small to large")
		}
	}
}

func (k *cubeChecker) rules() {
	c := k.cube
	within(k, "retention", c.Retention, limit[time.Duration]{minRetention, maxRetention, spanText})
	limit[int64]{1, maxMaxJobs, countText}.check(&k.checker, "max_jobs", int64(c.MaxJobs))
	for _, s := range []struct {
		path string
		v    Switch
	}{{"fill_holes", c.FillHoles}, {"refresh_old_versions", c.RefreshOldVersions}} {
		if s.v != On && s.v != Off {
			k.add(s.path, fmt.Sprintf("%s is no position of a switch", clip(string(s.v))), "write true or false")
		}
	}
	k.oneOf("engine", "engine", string(c.Engine), string(EngineLocal))
	k.oneOf("store", "store", string(c.Store), string(StoreFiles), string(StoreHBase))
}
