package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"time"

	duckdb "github.com/duckdb/duckdb-go-bindings"

	"github.com/tidemarkdb/tidemark/internal/config"
	"github.com/tidemarkdb/tidemark/internal/doctor"
	"github.com/tidemarkdb/tidemark/internal/server"
)

const (
	bundleJobs  = 20               // failed jobs whose logs are in a bundle
	bundleBytes = 16 << 20         // of one answer; what is behind is cut off
	bundleLimit = 30 * time.Second // of all questions together
)

const bundleText = `What tidemark doctor --bundle has written:

version.json     of the program that wrote this, of Go and of DuckDB
settings.txt     in force for the command that wrote this, passwords hidden; the running process may have others
doctor.json      what is blocked, and what will be
ready, tables, cubes, sources, tasks and jobs (.json), metrics.txt    as the process answered
jobs/            logs of jobs that have failed
errors.txt       what could not be had

There are no events in it, no records of the quarantine, no statements, no definitions, and not why a lookup table's query has failed, which
may quote values. The process writes its own log to its standard error:
add what you have kept of it, after a look, for slow statements are in there.
`

// bundle is an archive that is written.
type bundle struct {
	tw     *tar.Writer
	now    time.Time
	failed bytes.Buffer
}

func (b *bundle) add(name string, body []byte) error {
	h := &tar.Header{Name: "tidemark-support/" + name, Mode: 0o600, Size: int64(len(body)), ModTime: b.now, Format: tar.FormatPAX}
	if err := b.tw.WriteHeader(h); err != nil {
		return err
	}
	_, err := b.tw.Write(body)
	return err
}

func (b *bundle) json(name string, v any) error {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return b.add(name, append(body, '\n'))
}

// answer adds what a process answers. What it does not is noted.
func (b *bundle) answer(ctx context.Context, cl *client, name string, q request) ([]byte, error) {
	q.method = http.MethodGet
	body, err := cl.send(ctx, q)
	if err != nil {
		fmt.Fprintf(&b.failed, "%s: %v\n", name, err)
		return nil, nil
	}
	text, err := io.ReadAll(io.LimitReader(body, bundleBytes))
	if err = errors.Join(err, body.Close()); err != nil {
		fmt.Fprintf(&b.failed, "%s: %v\n", name, err)
		return nil, nil
	}
	return text, b.add(name, text)
}

// writeBundle makes the file; one that is there already is left alone. cl may be nil: then nobody can be asked.
func writeBundle(ctx context.Context, path string, cfg *config.Config, cl *client, found *doctor.Report) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	zw := gzip.NewWriter(f)
	b := &bundle{tw: tar.NewWriter(zw), now: time.Now()}
	ctx, cancel := context.WithTimeout(ctx, bundleLimit)
	defer cancel()
	err = b.write(ctx, cfg, cl, found)
	if err = errors.Join(err, b.tw.Close(), zw.Close(), f.Close()); err != nil {
		return errors.Join(fmt.Errorf("write bundle %s: %w", path, err), os.Remove(path))
	}
	return nil
}

func (b *bundle) write(ctx context.Context, cfg *config.Config, cl *client, found *doctor.Report) error {
	info, _ := debug.ReadBuildInfo()
	v := versionsOf(info)
	v.DuckDB = duckdb.LibraryVersion()
	var settings bytes.Buffer
	err := errors.Join(b.add("README.txt", []byte(bundleText)), b.json("version.json", v), cfg.Dump(&settings))
	if err = errors.Join(err, b.add("settings.txt", settings.Bytes()), b.json("doctor.json", found.Bare())); err != nil {
		return err
	}
	if cl != nil {
		if err := b.ask(ctx, cl); err != nil {
			return err
		}
	}
	if b.failed.Len() == 0 {
		return nil
	}
	return b.add("errors.txt", b.failed.Bytes())
}

// tasks adds the tasks, without errors of those that refresh lookup tables: what is wrong with an answer is told with its values.
func (b *bundle) tasks(ctx context.Context, cl *client) error {
	var list server.Tasks
	if err := cl.do(ctx, request{method: http.MethodGet, path: "/tasks"}, &list); err != nil {
		fmt.Fprintf(&b.failed, "tasks.json: %v\n", err)
		return nil
	}
	for i := range list.Tasks {
		if t := &list.Tasks[i]; t.Error != "" && strings.Contains(t.Kind, "lookup") {
			t.Error = "it may quote values: it is left out"
		}
	}
	return b.json("tasks.json", list)
}

// ask adds the state of a process.
func (b *bundle) ask(ctx context.Context, cl *client) error {
	if ready, err := cl.readiness(ctx); err != nil {
		fmt.Fprintf(&b.failed, "ready.json: %v\n", err)
	} else if err := b.json("ready.json", ready); err != nil {
		return err
	}
	if err := b.tasks(ctx, cl); err != nil {
		return err
	}
	for _, name := range []string{"tables", "cubes", "sources"} {
		if _, err := b.answer(ctx, cl, name+".json", request{path: "/" + name}); err != nil {
			return err
		}
	}
	if _, err := b.answer(ctx, cl, "metrics.txt", request{path: "/metrics", root: true}); err != nil {
		return err
	}
	text, err := b.answer(ctx, cl, "jobs.json", request{path: "/jobs"})
	if err != nil || text == nil {
		return err
	}
	var jobs server.Jobs
	if err := json.Unmarshal(text, &jobs); err != nil {
		fmt.Fprintf(&b.failed, "logs of jobs: %v\n", err)
		return nil
	}
	logs := 0
	for _, j := range jobs.Jobs {
		if j.State != "failed" && j.Problem == "" || logs == bundleJobs {
			continue
		}
		logs++
		if _, err := b.answer(ctx, cl, fmt.Sprintf("jobs/%d.json", j.ID), request{path: fmt.Sprintf("/jobs/%d/log", j.ID)}); err != nil {
			return err
		}
	}
	return nil
}
