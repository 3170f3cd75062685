package server

import (
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

func (s *Server) cubeRoutes() []route {
	one := "/cubes/{cube}"
	apply := inProject(toggle("dry_run", "check it and say what would change"))
	return []route{
		{
			method: "GET", path: "/cubes", summary: "list cubes with their segments summed up", answer: Cubes{}, handle: s.listCubes,
			query: []param{text("project", "only of this project")},
		},
		{method: "PUT", path: "/cubes", summary: "make or change a cube", body: cube.Cube{}, answer: AppliedCube{}, handle: s.applyCube, query: apply},
		{
			method: "POST", path: "/cubes/plan", summary: "what a build of a definition would make, by a sample of staged events", body: cube.Cube{},
			answer: CubePlan{}, handle: s.cubePlan, query: inProject(number("events", "to estimate for; default: all that are staged")),
		},
		{method: "PUT", path: one, summary: "make or change a cube", body: cube.Cube{}, answer: AppliedCube{}, handle: s.applyCube, query: apply},
		{
			method: "GET", path: one, summary: "a cube with its definition", answer: Cube{}, handle: s.showCube,
			query: inProject(number("version", "of the definition; default: the newest")),
		},
		{method: "DELETE", path: one, summary: "drop a cube with its segments", answer: CubeState{}, handle: s.dropCube, query: inProject()},
		{
			method: "POST", path: one + "/clone", summary: "make a cube with the same definition and no segments", body: CloneRequest{},
			answer: AppliedCube{}, handle: s.cloneCube, query: inProject(), creates: true,
		},
		{method: "POST", path: one + "/enable", summary: "let a disabled cube be built and answer again", answer: CubeState{}, handle: s.enableCube, query: inProject()},
		{
			method: "POST", path: one + "/disable", summary: "stop building a cube and answering from it", answer: CubeState{}, handle: s.disableCube,
			query: inProject(text("reason", "why, for those who look")),
		},
		{method: "POST", path: one + "/purge", summary: "cancel all jobs of a cube and retire all its segments", answer: CubeState{}, handle: s.purgeCube, query: inProject()},
		{
			method: "POST", path: one + "/rollback", summary: "make an old version of the definition the next one", answer: AppliedCube{}, handle: s.rollbackCube,
			query: inProject(number("version", "which; default: the one before the newest")),
		},
	}
}

func (s *Server) segmentRoutes() []route {
	const one = "/cubes/{cube}/segments"
	listed := []param{
		text("state", "new, ready or retired, several with commas between, or all; default: new,ready"),
		text("from", "only those with events at or after this time"), text("to", "only those with events before this time"),
	}
	list := []route{
		{
			method: "GET", path: "/segments", summary: "list segments of all cubes", answer: Segments{}, handle: s.allSegments,
			query: append([]param{text("project", "only of this project"), number("limit", "how many of each cube at most; default 100")}, listed...),
		},
		{method: "GET", path: one, summary: "list segments of a cube", answer: Segments{}, handle: s.listSegments, query: inProject(paged(listed...)...)},
		{
			method: "GET", path: one + "/{segment}", summary: "one segment, by its number, or its id or the first 8 digits of it", answer: Segment{},
			handle: s.showSegment, query: inProject(),
		},
		{
			method: "GET", path: one + "/{segment}/cuboids", summary: "the files and cuboids of a segment, by its manifest", answer: SegmentCuboids{},
			handle: s.segmentCuboids, slow: true,
			query: inProject(number("rows", "of a segment in HBase: read its table, row groups and so many first rows of each cuboid, at most 1000; default: do not ask HBase")),
		},
		{method: "GET", path: "/cubes/{cube}/holes", summary: "list offsets between segments that nothing covers", answer: Holes{}, handle: s.holes, query: inProject()},
		{
			method: "GET", path: "/cubes/{cube}/plan", summary: "what the planners would do at this moment, what they leave, and why", answer: Plan{},
			handle: s.plan, query: inProject(),
		},
	}
	for _, a := range []struct{ path, action, summary string }{
		{one, actionBuild, "build a segment of new offsets"},
		{one + "/refresh", actionRefresh, "build segments again from their staged files"},
		{one + "/merge", actionMerge, "make one segment of neighbours"},
		{one + "/drop", actionDrop, "retire segments"},
		{"/cubes/{cube}/holes", actionFill, "build what holes can be filled"},
	} {
		list = append(list, route{
			method: "POST", path: a.path, summary: a.summary, body: SegmentRequest{}, answer: Submitted{}, handle: s.submit(a.action),
			query: inProject(toggle("dry_run", "only show the plan")), creates: true,
		})
	}
	return list
}

func (s *Server) jobRoutes() []route {
	const one = "/jobs/{job}"
	list := []route{
		{
			method: "GET", path: "/jobs", summary: "list jobs, the newest first", answer: Jobs{}, handle: s.listJobs,
			query: paged(text("project", "only of this project; of cube, default \"default\""), text("cube", "only of this cube"),
				text("state", "only in this state, several with commas between")),
		},
		{method: "GET", path: one, summary: "a job with its steps", answer: Job{}, handle: s.showJob},
		{method: "GET", path: one + "/log", summary: "lines of a job's log", answer: JobLog{}, handle: s.jobLog, query: paged()},
		{method: "POST", path: one + "/retry", summary: "let a failed job go on at once", answer: Job{}, handle: s.retryJob},
		{method: "DELETE", path: one, summary: "cancel a job, if it has not ended, and forget it", answer: Job{}, handle: s.dropJob},
	}
	for _, a := range []struct {
		name, summary string
		handle        handler
	}{
		{"pause", "keep a job from running; its offsets stay reserved", s.byHand((*catalog.Catalog).PauseJob)},
		{"resume", "let a paused or failed job go on", s.byHand((*catalog.Catalog).ResumeJob)},
		{"cancel", "end a job and free its offsets", s.byHand((*catalog.Catalog).CancelJob)},
	} {
		list = append(list, route{method: "POST", path: one + "/" + a.name, summary: a.summary, answer: Job{}, handle: a.handle})
	}
	return list
}

func (s *Server) taskRoutes() []route {
	const one = "/tasks/{task}"
	list := []route{
		{
			method: "GET", path: "/tasks", summary: "list tasks that have not ended, in the order of the queue", answer: Tasks{}, handle: s.listTasks,
			query: []param{
				text("kind", "only of this kind"), text("state", "only in this state"), toggle("all", "those that have ended too, the newest first"),
				number("limit", "how many to list at most; default 100, at most 10000"),
			},
		},
		{method: "POST", path: "/tasks", summary: "queue a task", body: TaskRequest{}, answer: Task{}, handle: s.submitTask, query: inProject(), creates: true},
		{method: "GET", path: one, summary: "one task", answer: Task{}, handle: s.showTask},
	}
	for _, a := range []struct{ name, summary string }{
		{"cancel", "end a task"},
		{"retry", "queue a failed task again, or have a waiting one not wait for its next attempt"},
		{"pause", "keep a task, and those of its key behind it, from running"},
		{"resume", "let a paused task go on"},
	} {
		list = append(list, route{method: "POST", path: one + "/" + a.name, summary: a.summary, answer: Task{}, handle: s.controlTask(a.name)})
	}
	return list
}
