//go:build e2e

package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/internal/testkit"
)

// staged waits until all that was sent is committed.
func (c *cubed) staged() {
	c.t.Helper()
	testkit.Until(c.t, "staged", func(ctx context.Context) error {
		n, err := c.committed(ctx)
		if want := c.sums.Events + c.sums.Bad; err == nil && n != want {
			err = fmt.Errorf("%d of %d offsets are committed", n, want)
		}
		return err
	})
}

// remove deletes a staged file by hand: the last one of a partition that ends at or before an offset.
func (c *cubed) remove(partition int32, before int64) (file string) {
	c.t.Helper()
	var out struct {
		Ranges []struct {
			Partition int32
			End       int64
			File      string
		}
	}
	if err := json.Unmarshal([]byte(c.run("table", "offsets", "pageviews", "--ranges", "--limit", "10000", "-o", "json")), &out); err != nil {
		c.t.Fatal(err)
	}
	for _, r := range out.Ranges {
		if r.Partition == partition && r.End <= before {
			file = r.File
		}
	}
	if err := os.Remove(filepath.Join(c.data, "store", file)); err != nil {
		c.t.Fatal(err)
	}
	return file
}

// misses wants verify to name a file and the command that helps.
func (c *cubed) misses(file string) {
	c.t.Helper()
	out, all, code := testkit.Run(c.t, testkit.Command{Args: c.args("verify"), Env: c.env})
	if code != 1 || !strings.Contains(out, file) || !strings.Contains(out, "tidemark table reread") {
		c.t.Errorf("verify: exit code %d, want 1 with %s and how to mend it, in\n%s", code, file, all)
	}
}

// A staged file that somebody removed comes back from Kafka: below a segment, which is refreshed then, and in a hole, which
// is filled then, with a kill -9 in between.
func TestE2ERereadsWhatWasRemoved(t *testing.T) {
	c := newCubed(t, place{staging: "{roll: {rows: 400, age: 1s}}"}, byHand)
	c.start()
	for i := range 3 {
		c.produce(t.Context(), 4000, uint64(i))
		c.staged()
		c.finished(c.build2(newest))
	}
	before := c.tiled()
	if len(before) != 3 {
		t.Fatalf("segments are %v, want 3", before)
	}

	file := c.remove(0, before[0].End["0"])
	c.misses(file)
	if out := c.run("table", "reread", "pageviews", "--wait"); strings.Count(out, ": done\n") != 4 {
		t.Errorf("re-read of 4 partitions printed %q", out)
	}
	testkit.Until(t, "the segment is built again", func(ctx context.Context) error {
		var list segmentLines
		err := c.ask(ctx, "/cubes/"+cubeName+"/segments?state=ready", &list)
		for _, s := range list.Segments {
			if err == nil && s.Number == before[0].Number {
				err = fmt.Errorf("%s is still there", s)
			}
		}
		return err
	})
	c.quiet()
	c.tiled()
	c.verify()

	middle := c.segments("ready")[1]
	c.run("segment", "drop", cubeName, fmt.Sprint(middle.Number))
	file = c.remove(1, middle.End["1"])
	c.misses(file)
	if out := c.run("segment", "holes", cubeName, "--fill"); !strings.Contains(out, "re-read ") {
		t.Errorf("filling a hole whose file is gone printed %q", out)
	}
	c.crash(200 * time.Millisecond)
	testkit.Until(t, "it is read again", func(ctx context.Context) error {
		var out struct {
			Rereads []struct {
				Done    bool
				Problem string
			}
		}
		err := c.ask(ctx, "/tables/pageviews/rereads", &out)
		for _, r := range out.Rereads {
			if err == nil && (!r.Done || r.Problem != "") {
				err = fmt.Errorf("requests are %+v", out.Rereads)
			}
		}
		return err
	})
	c.run("segment", "holes", cubeName, "--fill", "--wait")
	c.quiet()
	c.measured(c.tiled())
	c.end()
	c.verify()
	c.fromFilesAlone()
}
