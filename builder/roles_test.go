package builder

import (
	"testing"
	"testing/synctest"
	"time"
)

// One process that only builds cuts nothing; one that only plans reserves segments and builds none; both together do all of it.
func TestRunRolesApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "cut: {age: 10s}\n")
		builds := w.builder(func(o *Options) { o.NoPlans, o.Node = true, "builds" })
		plans := w.builder(func(o *Options) { o.MaxBuilds, o.Node = -1, "plans" })
		w.stage(0, 0, 10)
		stop := running(t, builds)
		time.Sleep(time.Minute)
		w.wantSegments()
		stop()
		stop = running(t, plans)
		time.Sleep(time.Minute)
		w.wantSegments("1 new p0 [0,10) 0 events")
		stopBuilds := running(t, builds)
		time.Sleep(10 * time.Second)
		w.wantSegments("1 ready p0 [0,10) 10 events")
		stopBuilds()
		stop()
	})
}
