package query

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tidemarkdb/tidemark/query/duck"
	"github.com/tidemarkdb/tidemark/query/run"
)

// RawPolicy says what becomes of a statement of which no cube has all columns: events are read as they are.
type RawPolicy string

// What it can be.
const (
	AllowRaw  RawPolicy = "allow"
	WarnRaw   RawPolicy = "warn"   // the answer has a warning, and the log a line
	RefuseRaw RawPolicy = "refuse" // with a *NoCubeError
)

func (p RawPolicy) check() error {
	switch p {
	case AllowRaw, WarnRaw, RefuseRaw:
		return nil
	}
	return fmt.Errorf("raw %q: want %s, %s or %s", string(p), AllowRaw, WarnRaw, RefuseRaw)
}

// NoCubeError says that a statement was refused because no cube answers all of it.
type NoCubeError struct{ Reason string }

func (e *NoCubeError) Error() string {
	return "no cube answers this, and reading events is refused (raw: refuse): " + e.Reason + ": add what is lacking to a cube, or ask with raw: allow"
}

// RawSize is what a statement reads of staged files: whole ones are counted, although of most only some columns are read.
type RawSize struct {
	Files, Bytes int64
	More         bool // counting has stopped: there are more
}

func (s RawSize) String() string {
	text := fmt.Sprintf("%d staged files of %d bytes", s.Files, s.Bytes)
	if s.More {
		text = "at least " + text
	}
	return text
}

// RawSizeError says that a statement was refused because it would read too much of staged files.
type RawSizeError struct {
	RawSize
	Limit  int64
	Reason string // why no cube answers
}

func (e *RawSizeError) Error() string {
	return fmt.Sprintf("the statement would read %s, the limit query.raw_bytes is %d: %s: ask for less time, add what is lacking to a cube, or raise the limit",
		e.RawSize, e.Limit, e.Reason)
}

// RowsError says that an answer has more rows than it may have. Those before were handed out.
type RowsError struct{ Limit int64 }

func (e *RowsError) Error() string {
	return fmt.Sprintf("the answer has more than %d rows: end the statement with LIMIT, or raise query.max_rows", e.Limit)
}

// rawReason says why a statement reads events as they are; "": it does not.
func (x *execution) rawReason() string {
	var list []string
	add := func(table, why string) {
		if text := "table " + table + ": " + why; len(list) == 0 || list[len(list)-1] != text {
			list = append(list, text)
		}
	}
	for _, b := range x.blocks {
		if b.way == nil && !b.p.b.Time.Empty() {
			add(b.t.def.table.Name, b.lacks())
		}
	}
	for _, s := range x.scans {
		if !s.s.Time.Empty() {
			add(s.t.def.table.Name, s.s.Reason)
		}
	}
	return strings.Join(list, "; ")
}

// policy is what the request says, or else the engine.
func (x *execution) policy() RawPolicy { return cmp.Or(x.r.Raw, x.e.o.Raw) }

// judge refuses a statement that reads events where that is refused.
func (x *execution) judge() error {
	if err := x.policy().check(); err != nil {
		return &duck.Error{Kind: "request", Message: err.Error(), Offset: -1}
	}
	x.raw = x.rawReason()
	if x.raw != "" && x.policy() == RefuseRaw {
		x.e.m.raw.WithLabelValues("refused").Inc()
		return &NoCubeError{x.raw}
	}
	return nil
}

// change takes a statement that reads events out of the way of those that cubes answer: from here on it has one of the turns of its
// own kind. While it waits it holds nothing.
func (x *execution) change(ctx context.Context) error {
	for _, t := range x.tables {
		t.snap.Release()
	}
	x.give()
	x.give = func() {}
	if err := x.e.take(ctx, x.e.rawTurns); err != nil {
		return err
	}
	x.give, x.changed = x.e.rawTurns.give, true
	return x.look(ctx)
}

// checkSize refuses a statement that would read too much, before anything is read.
func (x *execution) checkSize(ctx context.Context) error {
	if x.raw == "" || x.sized {
		return nil
	}
	size, err := x.rawSize(ctx)
	if err != nil {
		return err
	}
	x.sized = true
	if size.Bytes > x.e.o.RawBytes {
		x.e.m.raw.WithLabelValues("too_large").Inc()
		return &RawSizeError{size, x.e.o.RawBytes, x.raw}
	}
	if x.policy() != WarnRaw {
		x.e.m.raw.WithLabelValues("allowed").Inc()
		return nil
	}
	x.e.m.raw.WithLabelValues("warned").Inc()
	x.warnings = append(x.warnings, fmt.Sprintf("no cube answers all of this, so %s and the tail were read: %s", size, x.raw))
	x.e.o.Logger.LogAttrs(ctx, slog.LevelWarn, "statement reads events", slog.String("sql", shown(x.r.SQL)), slog.Int64("bytes", size.Bytes), slog.String("err", x.raw))
	return nil
}

// sizeEnough is how many times the limit is counted before it is enough to say "at least".
const sizeEnough = 16

// rawSize adds up the staged files of which events are read as they are.
func (x *execution) rawSize(ctx context.Context) (size RawSize, err error) {
	scans := x.scans
	for _, b := range x.blocks {
		if b.scan != nil {
			scans = append(scans[:len(scans):len(scans)], b.scan)
		}
	}
	enough := sizeEnough * x.e.o.RawBytes
	for _, s := range scans {
		if s.s.Time.Empty() {
			continue
		}
		files, bytes, err := x.e.source.Size(ctx, s.t.snap.Staged(), s.query().Times, enough-size.Bytes)
		if err != nil {
			return size, err
		}
		size.Files, size.Bytes = size.Files+files, size.Bytes+bytes
		if size.More = size.Bytes > enough; size.More {
			break
		}
	}
	return size, nil
}

// hold counts a record that a statement keeps in memory.
func (x *execution) hold(rec arrow.Record) error {
	if x.held += recordBytes(rec); x.held > x.e.o.Memory {
		return &run.MemoryError{Limit: x.e.o.Memory}
	}
	return nil
}
