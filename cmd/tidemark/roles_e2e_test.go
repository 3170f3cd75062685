//go:build e2e

package main_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/internal/testkit"
)

// node starts a process with some roles on the site's catalog and store, in a data folder of its own.
func (c *cubed) node(roles string) *cubed {
	c.t.Helper()
	n := &cubed{site: c.site, random: c.random}
	args := []string{"serve", "--roles", roles, "--brokers", c.brokers, "--http", "127.0.0.1:0", "--data", c.t.TempDir()}
	n.p = testkit.Start(c.t, testkit.Command{Args: append(args, c.flags...), Env: c.env})
	n.url = n.p.WaitLine(`tidemark serves (http://\S+),.* roles ` + roles)[1]
	testkit.WaitHTTP(c.t, n.url+"/readyz")
	return n
}

func (c *cubed) address() string { return strings.TrimPrefix(c.url, "http://") }

// listed is what /api/v1/nodes says of live processes, by address.
func (c *cubed) listed(ctx context.Context) (roles, names map[string]string, err error) {
	var out struct {
		Nodes []struct {
			Node, Address string
			Roles         []string
			Live          bool
		}
	}
	err = c.ask(ctx, "/nodes", &out)
	roles, names = map[string]string{}, map[string]string{}
	for _, n := range out.Nodes {
		if n.Live {
			roles[n.Address], names[n.Address] = strings.Join(n.Roles, ","), n.Node
		}
	}
	return roles, names, err
}

// see waits until the reader has committed all that was sent, and then until each of the others answers with it.
func (c *cubed) see(answers ...*cubed) {
	c.t.Helper()
	c.read()
	began := time.Now()
	for i, q := range answers {
		testkit.Until(c.t, "all is seen", func(ctx context.Context) error {
			out, err := q.query(ctx, "SELECT count(*) FROM pageviews")
			if err != nil {
				return err
			}
			if got := int64(out.Rows[0][0].(float64)); got != c.sums.Events {
				return fmt.Errorf("%d of %d events", got, c.sums.Events)
			}
			return nil
		})
		c.t.Logf("query node %d sees %d committed events %v after the reader said so", i+1, c.sums.Events, time.Since(began).Round(time.Millisecond))
		out, err := q.query(c.t.Context(), byCountry)
		if err != nil {
			c.t.Fatal(err)
		}
		c.right(out)
		for p, e := range out.Tables[0].TailElsewhere {
			if e.Partition != int32(p) || e.Address != c.address() || e.Owner == "" {
				c.t.Errorf("mark %d: %+v, want partition %d at %s", p, e, p, c.address())
			}
		}
		if n := len(out.Tables[0].TailElsewhere); n != 4 {
			c.t.Errorf("query node %d names %d partitions that another process reads, want 4", i+1, n)
		}
	}
}

// frozen stops the process that is in the midst of a job, and returns which one it was and the task.
func (c *cubed) frozen(names map[string]string, builders ...*cubed) (victim *cubed, task int64) {
	c.t.Helper()
	testkit.Until(c.t, "a process is in the midst of a job", func(ctx context.Context) error {
		var running struct {
			Tasks []struct {
				ID   int64
				Node string
			}
		}
		if err := c.ask(ctx, "/tasks?kind=body&state=running", &running); err != nil {
			return err
		}
		for _, t := range running.Tasks {
			for _, b := range builders {
				if names[b.address()] != t.Node {
					continue
				}
				b.p.Signal(syscall.SIGSTOP)
				var now struct{ State, Node string }
				if err := c.ask(ctx, fmt.Sprintf("/tasks/%d", t.ID), &now); err == nil && now.State == "running" && now.Node == t.Node {
					victim, task = b, t.ID
					return nil
				}
				b.p.Signal(syscall.SIGCONT)
			}
		}
		return fmt.Errorf("running: %+v", running.Tasks)
	})
	return victim, task
}

// Roles apart, on one PostgreSQL and one S3: one process reads and plans, two build, two answer. Both that answer see all that is
// committed; a builder that is killed in the midst of a job leaves it to the other; one that answers and is killed is missed by nobody.
func TestE2ERolesApart(t *testing.T) {
	c := newCubed(t, place{flags: []string{"--catalog", testkit.Postgres(t), "--store", testkit.S3(t)}, staging: "{roll: {rows: 5000, age: 1s}}"},
		"cut: {manual: true, rows_per_build: 1000}\nmerge: {manual: true}\nfill_holes: false\nmax_jobs: 10\n")
	reader := c.node("ingest,schedule")
	builders := []*cubed{c.node("build"), c.node("build")}
	answers := []*cubed{c.node("query"), c.node("query")}
	var names map[string]string
	testkit.Until(t, "all processes are known", func(ctx context.Context) error {
		roles, all, err := answers[0].listed(ctx)
		names = all
		want := map[string]string{
			reader.address(): "ingest,schedule", builders[0].address(): "build", builders[1].address(): "build", answers[0].address(): "query", answers[1].address(): "query",
		}
		for at, r := range want {
			if err == nil && roles[at] != r {
				err = fmt.Errorf("%s has roles %q, want %q, of %v", at, roles[at], r, roles)
			}
		}
		return err
	})
	_, err := builders[0].query(t.Context(), "SELECT 1")
	if err == nil || !strings.Contains(err.Error(), "role query") || !strings.Contains(err.Error(), answers[0].address()) && !strings.Contains(err.Error(), answers[1].address()) {
		t.Errorf("a statement to a builder: %v, want a word about the role query and the address of one that has it", err)
	}
	c.produce(t.Context(), 20_000, 1)
	reader.see(answers...)

	answers[1].build2(newest) // what is submitted anywhere is planned and built by those who do
	victim, task := reader.frozen(names, builders...)
	victim.p.Kill()
	killed := time.Now()
	lives := builders[0]
	if victim == lives {
		lives = builders[1]
	}
	c.produce(t.Context(), 5_000, 2) // meanwhile all goes on
	reader.see(answers...)
	testkit.Until(t, "the job moves on", func(ctx context.Context) error {
		var now struct{ State, Node, Error string }
		if err := reader.ask(ctx, fmt.Sprintf("/tasks/%d", task), &now); err != nil {
			return err
		}
		if now.State != "finished" || now.Node != names[lives.address()] {
			return fmt.Errorf("task %d: %+v, want it finished by %s", task, now, names[lives.address()])
		}
		return nil
	})
	t.Logf("the job of the killed process was finished by the other %v after the kill", time.Since(killed).Round(time.Millisecond))

	answers[0].p.Kill()
	if r := reader.post(t.Context(), segmentsPath, `{}`, ""); r.err != nil || r.status != http.StatusOK {
		t.Fatalf("build: %d %s (%v)", r.status, r.text, r.err)
	}
	reader.quiet()
	list := reader.tiled()
	reader.see(answers[1])
	if out, err := answers[1].query(t.Context(), byCountry); err != nil || out.Tables[0].Segments != len(list) {
		t.Errorf("the answer is of %d segments (%v), want %d", out.Tables[0].Segments, err, len(list))
	}
	for _, n := range []*cubed{lives, reader} {
		n.end()
	}
	if out, err := answers[1].query(t.Context(), byCountry); err != nil || len(out.Tables[0].TailElsewhere) > 0 {
		t.Errorf("when nobody reads any more: %v, %+v, want no mark", err, out.Tables[0].TailElsewhere)
	}
	answers[1].end()
	c.verify()
	c.proved(len(list), 0)
}
