package catalog

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// dumpFormat is the version of the text that Dump writes.
const dumpFormat = 1

// The lines of a dump: a header, then of each table a line with its columns and one array a row, then an end with the number
// of rows, so that a dump that was cut off is seen.
type (
	dumpHeader struct {
		Format int    `json:"tidemark_catalog"`
		Schema int64  `json:"schema"`
		ID     string `json:"id"`
		TimeUs int64  `json:"time_us"`
	}
	dumpTable struct {
		Table   string   `json:"table,omitempty"`
		Columns []string `json:"columns,omitempty"`
		End     bool     `json:"end,omitempty"`
		Rows    int64    `json:"rows,omitempty"` // of all tables, in the end
	}
)

// dumped lists all tables of the schema with the order of their rows. A table comes after those that it refers to.
func dumped() [][2]string {
	return [][2]string{
		{"catalog", "one"},
		{"projects", "name"},
		{"tables", "id"},
		{"table_versions", "table_id, version"},
		{"partitions", "table_id, partition"},
		{"generations", "table_id, partition, generation"},
		{"moments", "one"},
		{"partition_moments", "table_id, partition, version"},
		{"files", "file_key"},
		{"ledger", "table_id, partition, generation, end_offset"},
		{"supplements", "table_id, partition, generation, row_end, file_key"},
		{"ledger_changes", "table_id, change"},
		{"roll_requests", "id, partition"},
		{"reread_requests", "id"},
		{"dictionaries", "table_id, column_name"},
		{"dictionary_slices", "table_id, column_name, slice"},
		{"lookups", "id"},
		{"lookup_versions", "lookup_id, version"},
		{"cubes", "id"},
		{"cube_versions", "cube_id, version"},
		{"segments", "cube_id, number"},
		{"segment_ranges", "cube_id, kind, partition, generation, end_offset, number"},
		{"jobs", "id"},
		{"job_log", "job_id, line"},
		{"answers", "request_key"},
		{"task_queue", "one"},
		{"tasks", "id"},
		{"task_kinds", "kind"},
		{"task_timers", "kind, task_key"},
		{"nodes", "name"},
		{"garbage", "object_key"},
	}
}

// seeded lists the tables that have rows in a new catalog, with which of their rows mean that it is not new.
func seeded() map[string]string {
	return map[string]string{"catalog": `1 = 0`, "projects": `name <> 'default'`, "task_queue": `next_seq > 1`, "moments": `version > 0`}
}

// Dump writes the whole catalog, in one of its states, as lines of JSON that do not depend on the kind of database.
func (c *Catalog) Dump(ctx context.Context, w io.Writer) error {
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	return c.scan(ctx, "dump", func(t *tx) error {
		h := dumpHeader{Format: dumpFormat, TimeUs: now()}
		if err := t.row(`SELECT id FROM catalog WHERE one = 1`).Scan(&h.ID); err != nil {
			return err
		}
		if err := t.row(`SELECT MAX(version_id) FROM schema_versions`).Scan(&h.Schema); err != nil {
			return err
		}
		if err := enc.Encode(h); err != nil {
			return err
		}
		end := dumpTable{End: true}
		for _, table := range dumped() {
			n, err := t.dumpTable(enc, table[0], table[1])
			if err != nil {
				return fmt.Errorf("table %s: %w", table[0], err)
			}
			end.Rows += n
		}
		if err := enc.Encode(end); err != nil {
			return err
		}
		return out.Flush()
	})
}

func (t *tx) dumpTable(enc *json.Encoder, table, order string) (n int64, err error) {
	query := `SELECT * FROM ` + table + ` ORDER BY ` + order
	if err := t.hook(query); err != nil {
		return 0, err
	}
	rows, err := t.sql.QueryContext(t.ctx, query)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return 0, err
	}
	if err := enc.Encode(dumpTable{Table: table, Columns: columns}); err != nil {
		return 0, err
	}
	values, dest := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		dest[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return n, err
		}
		for i, v := range values {
			switch v := v.(type) {
			case nil, int64, string:
			case []byte:
				values[i] = string(v)
			default:
				return n, fmt.Errorf("column %s holds a %T, which no table should", columns[i], v)
			}
		}
		if err := enc.Encode(values); err != nil {
			return n, err
		}
		n++
	}
	return n, rows.Err()
}

// restoreBatch is how many rows are inserted by one statement. PostgreSQL takes 65535 values, SQLite 32766.
const restoreBatch = 200

// Restore fills an empty catalog from a dump, of this or of an older schema, in one transaction; the catalog takes the dump's
// id. A catalog that holds anything is a *ConflictError. It is called right after Open, before anybody else uses c.
//
// raise is added to every number of the catalog that gets into names of objects: epochs of partitions and of jobs, numbers of
// requeues and of segments, revisions of cubes. The store may hold objects that the dump is too old to know, and none of their
// names may be given again.
func (c *Catalog) Restore(ctx context.Context, r io.Reader, raise int64) error {
	if raise < 0 {
		return fmt.Errorf("catalog: restore: raise numbers by %d: want no negative number", raise)
	}
	call, cancel := context.WithTimeout(ctx, c.opts.ScanTimeout)
	defer cancel()
	id := ""
	err := c.run(call, c.w, nil, func(t *tx) error {
		if err := t.wantEmpty(); err != nil {
			return err
		}
		if err := t.restore(r); err != nil {
			return err
		}
		if err := t.raise(raise); err != nil {
			return err
		}
		return t.row(`SELECT id FROM catalog WHERE one = 1`).Scan(&id)
	})
	if err != nil {
		return wrap(ctx, "restore", err)
	}
	c.id = id
	return nil
}

func (t *tx) raise(n int64) error {
	if n == 0 {
		return nil
	}
	for _, query := range []string{
		`UPDATE partitions SET epoch = epoch + $1`,
		`UPDATE tables SET next_requeue = next_requeue + $1`,
		`UPDATE cubes SET next_epoch = next_epoch + $1, next_segment = next_segment + $1`,
		`UPDATE catalog SET cubes_revision = cubes_revision + $1`,
		`UPDATE moments SET version = version + $1`, // a version that somebody has noted never means another moment
	} {
		if _, err := t.exec(query, n); err != nil {
			return err
		}
	}
	return t.bump()
}

func (t *tx) wantEmpty() error {
	for _, table := range dumped() {
		where, ok := seeded()[table[0]]
		if !ok {
			where = `1 = 1`
		}
		var full bool
		if err := t.row(`SELECT EXISTS (SELECT 1 FROM ` + table[0] + ` WHERE ` + where + `)`).Scan(&full); err != nil {
			return err
		}
		if full {
			return &ConflictError{What: "catalog", Reason: "it is not empty, table " + table[0] + " has rows: restore into a new one"}
		}
	}
	return nil
}

// restoring is one restore under way.
type restoring struct {
	t       *tx
	table   string
	columns []string
	batch   []any
	rows    int64 // in batch
	total   int64
	seen    []string
}

func (t *tx) restore(r io.Reader) error {
	dec := json.NewDecoder(r)
	dec.UseNumber()
	var h dumpHeader
	if err := dec.Decode(&h); err != nil {
		return fmt.Errorf("header of the dump: %w", err)
	}
	if h.Format != dumpFormat {
		return fmt.Errorf("the dump has format %d and this program reads %d: is it a dump of a tidemark catalog?", h.Format, dumpFormat)
	}
	var schema int64
	if err := t.row(`SELECT MAX(version_id) FROM schema_versions`).Scan(&schema); err != nil {
		return err
	}
	if h.Schema > schema {
		return &NewerVersionError{Catalog: h.Schema, Known: schema}
	}
	s := &restoring{t: t}
	for {
		var line json.RawMessage
		if err := dec.Decode(&line); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("after %d rows, in table %s: %w: was the dump cut off?", s.total, s.table, err)
		}
		if line[0] == '[' {
			if err := s.row(line); err != nil {
				return fmt.Errorf("table %s, row %d: %w", s.table, s.total, err)
			}
			continue
		}
		if err := s.flush(); err != nil {
			return fmt.Errorf("table %s: %w", s.table, err)
		}
		var d dumpTable
		if err := json.Unmarshal(line, &d); err != nil {
			return err
		}
		if d.End {
			if err := s.end(d); err != nil {
				return err
			}
			return t.updateTo(h.Schema, schema)
		}
		if err := s.begin(d); err != nil {
			return err
		}
	}
}

// begin checks the names of a table and its columns, which become part of a statement.
func (s *restoring) begin(d dumpTable) error {
	known := func(t [2]string) bool { return t[0] == d.Table }
	if !slices.ContainsFunc(dumped(), known) || slices.Contains(s.seen, d.Table) || len(d.Columns) == 0 {
		return fmt.Errorf("table %q with columns %v: it is unknown, came before, or has none", d.Table, d.Columns)
	}
	rows, err := s.t.sql.QueryContext(s.t.ctx, `SELECT * FROM `+d.Table+` WHERE 1 = 0`)
	if err != nil {
		return err
	}
	columns, err := rows.Columns()
	if err := errors.Join(err, rows.Err(), rows.Close()); err != nil {
		return err
	}
	for i, name := range d.Columns {
		if !slices.Contains(columns, name) || slices.Contains(d.Columns[:i], name) {
			return fmt.Errorf("table %s has no column %q, or has it twice", d.Table, name)
		}
	}
	s.table, s.columns, s.seen = d.Table, d.Columns, append(s.seen, d.Table)
	if _, ok := seeded()[d.Table]; ok { // what the dump does not have, an older schema's, stays
		_, err = s.t.exec(`DELETE FROM ` + d.Table)
	}
	return err
}

func (s *restoring) row(line json.RawMessage) error {
	var values []any
	dec := json.NewDecoder(strings.NewReader(string(line)))
	dec.UseNumber()
	if err := dec.Decode(&values); err != nil {
		return err
	}
	if s.table == "" || len(values) != len(s.columns) {
		return fmt.Errorf("%d values for %d columns", len(values), len(s.columns))
	}
	for i, v := range values {
		switch v := v.(type) {
		case nil, string:
		case json.Number:
			n, err := v.Int64()
			if err != nil {
				return fmt.Errorf("column %s: %w", s.columns[i], err)
			}
			values[i] = n
		default:
			return fmt.Errorf("column %s: want a whole number, a text or null, got %s", s.columns[i], line)
		}
	}
	s.batch = append(s.batch, values...)
	s.total++
	if s.rows++; s.rows < restoreBatch {
		return nil
	}
	return s.flush()
}

func (s *restoring) flush() error {
	if s.rows == 0 {
		return nil
	}
	var q strings.Builder
	fmt.Fprintf(&q, `INSERT INTO %s (%s) VALUES `, s.table, strings.Join(s.columns, ", "))
	for i := range s.batch {
		switch {
		case i > 0 && i%len(s.columns) == 0:
			q.WriteString("), (")
		case i > 0:
			q.WriteString(", ")
		default:
			q.WriteString("(")
		}
		fmt.Fprintf(&q, "$%d", i+1)
	}
	q.WriteString(")")
	_, err := s.t.exec(q.String(), s.batch...)
	s.batch, s.rows = s.batch[:0], 0
	return err
}

func (s *restoring) end(d dumpTable) error {
	if d.Rows != s.total {
		return fmt.Errorf("the dump says %d rows and has %d: it is damaged", d.Rows, s.total)
	}
	if !slices.Contains(s.seen, "catalog") {
		return errors.New("the dump has no table catalog: it is damaged")
	}
	return nil
}
