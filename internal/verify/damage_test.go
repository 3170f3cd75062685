package verify_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/internal/verify"
)

func TestCleanFolderHasNoProblems(t *testing.T) {
	for _, format := range []string{"parquet", "ndjson"} {
		t.Run(format, func(t *testing.T) {
			s := fullSite(t, format)
			r := s.verify()
			s.clean(r)
			if large := s.verify(func(o *verify.Options) { o.HoldBytes = 1 }); large.OK != r.OK || large.Tables[0].Hash != r.Tables[0].Hash {
				t.Errorf("read twice: %+v, held: %+v", large, r)
			}
			// Read: p0 100 + 2 + 20, p1 50 + 20. One in ten is no JSON; one in ten has a wrong n, which requeue and version 2 read.
			if r.Events != 173 || r.Exceptions["quarantined"] != 19 {
				t.Errorf("%d events and %d quarantined, want 173 and 19", r.Events, r.Exceptions["quarantined"])
			}
			// Two transactions: two aborted events and two markers.
			if r.Exceptions["gap"] != 4 || r.Exceptions["lost"] != 10 || r.Exceptions["skipped"] != 0 {
				t.Errorf("exceptions %v, want 4 gaps and 10 lost", r.Exceptions)
			}
			tab := r.Tables[0]
			if tab.Generations != 2 || tab.Hash.String() == strings.Repeat("0", 32) || tab.Events != r.Events {
				t.Errorf("table report %+v", tab)
			}
			if format == "parquet" && tab.SecondRead != r.Files {
				t.Errorf("the second reader had %d of %d files", tab.SecondRead, r.Files)
			}
		})
	}
}

// Any byte of any file, any length, any absence: found, and the file named.
func TestDamagedFilesAreNamed(t *testing.T) {
	s := fullSite(t, "parquet")
	for _, kind := range []struct{ prefix, word string }{
		{"staged/", "/00"}, {"staged/", "supplement-"}, {"quarantine/", ""}, {"ledger/", "lost"},
	} {
		key := s.keys(kind.prefix, kind.word)[0]
		data, err := os.ReadFile(s.path(key))
		must(t, err)
		name := kind.prefix + kind.word
		for _, at := range []int{0, 5, len(data) / 4, len(data) / 2, len(data) * 3 / 4, len(data) - 60, len(data) - 1} {
			s.damaged(t, name+" byte", key, verify.FileChanged, func(c *site) {
				bad := append([]byte{}, data...)
				bad[at] ^= 0x10
				must(t, os.WriteFile(c.path(key), bad, 0o600))
			})
		}
		s.damaged(t, name+" cut", key, verify.FileChanged, func(c *site) { must(t, os.Truncate(c.path(key), int64(len(data)/2))) })
		s.damaged(t, name+" empty", key, verify.FileChanged, func(c *site) { must(t, os.Truncate(c.path(key), 0)) })
		s.damaged(t, name+" longer", key, verify.FileChanged, func(c *site) {
			must(t, os.WriteFile(c.path(key), append(append([]byte{}, data...), 'x'), 0o600))
		})
		s.damaged(t, name+" gone", key, verify.FileMissing, func(c *site) { must(t, os.Remove(c.path(key))) })
	}
}

// damaged makes one damage in a copy: it must be the only problem, of this kind, and name the file.
func (s *site) damaged(t *testing.T, name, key string, want verify.Kind, damage func(c *site)) {
	t.Run(name, func(t *testing.T) {
		c := s.clone(t)
		damage(c)
		r := c.verify()
		p := c.finds(r, want)
		if p.File != key || p.Range == nil {
			t.Errorf("the problem names file %q and range %v, want %s", p.File, p.Range, key)
		}
		if len(r.Problems) != 1 {
			t.Errorf("one damage is %d problems: %v", len(r.Problems), r.Problems)
		}
	})
}

func TestSwappedFilesAreNamed(t *testing.T) {
	s := fullSite(t, "parquet").clone(t)
	files := s.keys("staged/", "/00")
	a, b := files[0], files[1]
	must(t, os.Rename(s.path(a), s.path("x")))
	must(t, os.Rename(s.path(b), s.path(a)))
	must(t, os.Rename(s.path("x"), s.path(b)))
	r := s.verify()
	named := map[string]string{}
	for _, p := range r.Problems {
		if p.Kind == verify.FileChanged {
			named[p.File] = p.Message
		}
	}
	if !strings.Contains(named[a], b) || !strings.Contains(named[b], a) {
		t.Errorf("swapped %s and %s, found %v", a, b, named)
	}
}

// Each row is one change of the catalog by hand.
func TestEditedCatalogIsFound(t *testing.T) {
	s := fullSite(t, "parquet")
	const last = ` WHERE partition = 0 AND end_offset = (SELECT MAX(end_offset) FROM ledger WHERE partition = 0)`
	const first = ` WHERE partition = 0 AND start_offset = 0`
	tests := []struct {
		name, sql string
		want      verify.Kind
	}{
		{"end one further", `UPDATE ledger SET end_offset = end_offset + 1` + last, "overlap"},
		{"start one further", `UPDATE ledger SET start_offset = start_offset + 1` + last, "hole"},
		{"start one back", `UPDATE ledger SET start_offset = start_offset - 1` + last, "overlap"},
		{"one event more", `UPDATE ledger SET events = events + 1` + first, "bad_count"},
		{"exceptions removed", `UPDATE ledger SET exceptions = '[]'` + first, "bad_count"},
		{"exceptions removed and counted", `UPDATE ledger SET events = end_offset - start_offset, exceptions = '[]'` + first, verify.FileUnnamed},
		{"gap called quarantined", `UPDATE ledger SET exceptions = REPLACE(exceptions, 'gap', 'quarantined') WHERE exceptions LIKE '%gap%'`, verify.FileUnnamed},
		{"another offset quarantined", `UPDATE ledger SET exceptions = REPLACE(exceptions, '"start":2,"end":3', '"start":1,"end":2')` + first, verify.FooterMismatch},
		{"another offset in quarantine", `UPDATE ledger SET exceptions = REPLACE(exceptions, '"start":2,"end":3', '"start":1,"end":2')` + first, verify.RowsMismatch},
		{"exceptions that are none", `UPDATE ledger SET exceptions = 'x'` + first, verify.LedgerUnreadable},
		{"row gone", `DELETE FROM ledger` + last, "hole"},
		{"staged row called lost", `UPDATE ledger SET state = 'lost'` + last, "bad_count"},
		{"lowest time", `UPDATE ledger SET min_time_us = min_time_us - 1` + last, verify.FooterMismatch},
		{"highest time", `UPDATE ledger SET max_time_us = max_time_us + 1000` + first, verify.FooterMismatch},
		{"an older epoch", `UPDATE ledger SET epoch = 0` + last, verify.FooterMismatch},
		{"loss for another reason", `UPDATE ledger SET reason = 'because' WHERE state = 'lost'`, verify.FooterMismatch},
		{"no staged file", `UPDATE ledger SET staged_key = NULL` + last, verify.FileUnnamed},
		{"no quarantine file", `UPDATE ledger SET quarantine_key = NULL` + first, verify.FileUnnamed},
		{"no ledger file", `UPDATE ledger SET ledger_key = NULL WHERE state = 'lost'`, verify.FileUnnamed},
		{"size", `UPDATE files SET size = size - 1 WHERE file_key LIKE 'staged/%'`, verify.FileChanged},
		{"sha256", `UPDATE files SET sha256 = 'ff' WHERE file_key LIKE 'quarantine/%'`, verify.FileChanged},
		{"row hash", `UPDATE files SET row_hash = '00000000000000000000000000000000' WHERE file_key LIKE 'staged/%'`, verify.FooterMismatch},
		{"schema", `UPDATE files SET schema_version = 3 - schema_version WHERE file_key LIKE 'staged/%'`, verify.FooterMismatch},
		{"records", `UPDATE files SET records = records + 1 WHERE file_key LIKE 'staged/%'`, verify.FileUnnamed},
		{"supplement forgotten", `DELETE FROM supplements`, verify.FooterMismatch},
		{"offsets of a supplement", `UPDATE supplements SET offsets = REPLACE(offsets, '"start":6,"end":7', '"start":5,"end":6') WHERE offsets LIKE '%"start":6,"end":7%'`, verify.RowsMismatch},
		{"an offset of a supplement less", `UPDATE supplements SET offsets = REPLACE(offsets, '{"kind":"quarantined","start":6,"end":7},', '') WHERE offsets LIKE '%"start":6,"end":7%'`, verify.RowsMismatch},
		{"an offset of a supplement more", `UPDATE supplements SET offsets = REPLACE(offsets, '"start":96,"end":97', '"start":96,"end":98') WHERE offsets LIKE '%"start":96,"end":97%'`, verify.RowsMismatch},
		{"events counted", `UPDATE partitions SET events = events + 1`, verify.Counters},
		{"bytes counted", `UPDATE partitions SET bytes = bytes - 1`, verify.Counters},
		{"lost counted", `UPDATE partitions SET lost = 0 WHERE lost > 0`, verify.Counters},
		{"highest time forgotten", `UPDATE partitions SET max_time_us = NULL`, verify.Counters},
		{"committed end", `UPDATE partitions SET end_offset = end_offset + 1`, "hole"},
		{"first offset", `UPDATE partitions SET start_offset = 1`, "overlap"},
		{"generation", `UPDATE partitions SET generation = 2`, verify.Generations},
		{"definition", `UPDATE table_versions SET definition = REPLACE(definition, '"ratio"', '"ration"')`, verify.FooterMismatch},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := s.clone(t)
			c.sql(tt.sql)
			r := c.verify()
			p := c.finds(r, tt.want)
			inSupplement := func(p verify.Problem) bool { return p.Kind == tt.want && strings.Contains(p.File, "/supplement-") }
			if strings.Contains(tt.name, "of a supplement") && !slices.ContainsFunc(r.Problems, inSupplement) {
				t.Errorf("no problem names the supplement: %v", r.Problems)
			}
			if p.Range == nil && p.Partition < 0 {
				t.Errorf("the problem names no place: %s", p)
			}
		})
	}
}
