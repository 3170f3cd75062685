package pgwire_test

import (
	"testing"
)

// What clients ask of the catalog, by what PostgreSQL has and DuckDB has not.
func TestCatalog(t *testing.T) {
	c := newWorld(t, nil).connect("?default_query_exec_mode=exec")
	for _, x := range []struct{ sql, want string }{
		{"SELECT current_setting('server_version')", "15.0"},
		{"SELECT current_database() || ' ' || current_user || ' ' || current_schema()", "default ann public"},
		{"SELECT c.relname FROM pg_catalog.pg_class c WHERE c.relname OPERATOR(pg_catalog.~) '^(clicks)$' COLLATE pg_catalog.default", "clicks"},
		{"SELECT count(*)::VARCHAR FROM pg_class WHERE relname ~ '^cli'", "1"},
		{"SELECT relname FROM pg_class WHERE oid = 'public.clicks'::regclass", "clicks"},
		{"SELECT c.oid::regclass::text FROM pg_class c WHERE relname = 'clicks'", "clicks"},
		{"SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'clicks'::regclass", "ts timestamp without time zone, url text, bytes bigint, seconds double precision, price numeric(12,2), day date, robot boolean"},
		{"SELECT data_type FROM information_schema.columns WHERE table_name = 'clicks' AND column_name = 'robot'", "boolean"},
		{"SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'", "clicks"},
		{"SELECT typname FROM pg_type WHERE oid = 'bigint'::regtype", "int8"},
		{"SELECT (to_regtype('hstore') IS NULL)::VARCHAR", "true"},
		{"SELECT setting FROM pg_settings WHERE name = 'tidemark.notices'", "incomplete"},
		{"SELECT count(*)::VARCHAR FROM pg_index WHERE indrelid = ANY('{1,2}'::BIGINT[])", "0"},
		{"SELECT array_to_string(ARRAY(SELECT nspname FROM pg_namespace ORDER BY 1), ',')", "information_schema,pg_catalog,public"},
		{"WITH x AS (SELECT datname FROM pg_database) SELECT datname FROM x", "default"},
		{"SELECT version()", "PostgreSQL 15.0 (tidemark test)"},
	} {
		var got string
		if err := c.QueryRow(t.Context(), x.sql).Scan(&got); err != nil || got != x.want {
			t.Errorf("%s: %q, %v, want %q", x.sql, got, err, x.want)
		}
	}
}

// The numbers of tables stay, and those of two tables differ (G2).
func TestOIDsStay(t *testing.T) {
	var seen []uint32
	for range 2 {
		c := newWorld(t, nil).connect("?default_query_exec_mode=exec")
		var oid uint32
		must(t, c.QueryRow(t.Context(), "SELECT oid FROM pg_class WHERE relname = 'clicks'").Scan(&oid))
		seen = append(seen, oid)
	}
	if seen[0] != seen[1] || seen[0] < 16_384 {
		t.Errorf("%d", seen)
	}
}
