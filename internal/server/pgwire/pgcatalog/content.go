package pgcatalog

import (
	"hash/fnv"
	"slices"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/query/plan"
)

// Numbers that PostgreSQL gives, and clients know.
const (
	oidOwner   = 10
	oidCatalog = 11
	oidPublic  = 2200
	oidInfo    = 13_000
	oidHeap    = 2
	oidDefault = 1663 // tablespace
	oidColl    = 100  // collation default
	firstOID   = 16_384
)

// wellKnown are the numbers of tables that clients write down.
var wellKnown = map[string]int64{
	"pg_class": 1259, "pg_type": 1247, "pg_proc": 1255, "pg_attribute": 1249, "pg_namespace": 2615, "pg_constraint": 2606, "pg_attrdef": 2604,
	"pg_database": 1262, "pg_description": 2609, "pg_index": 2610, "pg_trigger": 2620, "pg_rewrite": 2618, "pg_am": 2601, "pg_language": 2612,
	"pg_extension": 3079, "pg_opclass": 2616, "pg_operator": 2617, "pg_tablespace": 1213, "pg_foreign_server": 1417, "pg_event_trigger": 3466,
}

// relation is a table as the catalog lists it.
type relation struct {
	oid     int64
	name    string
	columns []plan.Column
}

// world is what a project has at one moment.
type world struct {
	c         *Catalog
	q         Question
	relations []relation
	projects  []string
}

// oidsOf gives names numbers that follow from them (G2).
func oidsOf(names []string) map[string]int64 {
	out, taken := map[string]int64{}, map[int64]bool{}
	for _, n := range slices.Sorted(slices.Values(names)) {
		h := fnv.New32a()
		h.Write([]byte(n))
		oid := firstOID + int64(h.Sum32()>>2)
		for taken[oid] {
			oid++
		}
		out[n], taken[oid] = oid, true
	}
	return out
}

// newWorld lists tables and lookup tables; cubes are indexes that nobody names.
func newWorld(c *Catalog, q Question, all []*plan.Relation, projects []string) *world {
	w := &world{c: c, q: q, projects: projects}
	var names []string
	for _, r := range all {
		if r.Cube == nil {
			names = append(names, r.Name)
		}
	}
	oids := oidsOf(names)
	for _, r := range all {
		if r.Cube != nil {
			continue
		}
		rel := relation{oid: oids[r.Name], name: r.Name}
		for _, col := range r.Columns {
			if !col.Hidden {
				rel.columns = append(rel.columns, col)
			}
		}
		w.relations = append(w.relations, rel)
	}
	return w
}

// regclass returns the number of a table by its name.
func (w *world) regclass(name string) (int64, bool) {
	for _, r := range w.relations {
		if r.name == name {
			return r.oid, true
		}
	}
	if oid, ok := wellKnown[name]; ok {
		return oid, true
	}
	oid, ok := w.c.own[name]
	return oid, ok
}

// notNull reports whether a column always has a value.
func notNull(c plan.Column) bool { return c.Name == "_offset" }

// rows are those of a table; the others have none.
func (w *world) rows(name string) []row {
	if f, ok := contents[name]; ok {
		return f(w)
	}
	return nil
}

// contents are the tables that have rows.
var contents = map[string]func(*world) []row{
	"pg_namespace": (*world).namespaces, "pg_class": (*world).classes, "pg_attribute": (*world).attributes, "pg_type": (*world).types,
	"pg_database": (*world).databases, "pg_roles": (*world).roles, "pg_user": (*world).users, "pg_tables": (*world).tables,
	"pg_settings": (*world).settings, "pg_tablespace": (*world).tablespaces, "pg_am": (*world).methods, "pg_collation": (*world).collations,
	"pg_language": (*world).languages, "information_schema.schemata": (*world).schemata, "information_schema.tables": (*world).infoTables,
	"information_schema.columns": (*world).infoColumns, "information_schema.table_privileges": (*world).privileges,
	"information_schema.role_table_grants": (*world).privileges, "information_schema.information_schema_catalog_name": (*world).catalogName,
	"information_schema.character_sets": (*world).characterSets, "pg_get_keywords": (*world).keywords,
}

func (w *world) namespaces() []row {
	return []row{
		{"oid": oidCatalog, "nspname": "pg_catalog", "nspowner": oidOwner},
		{"oid": oidPublic, "nspname": "public", "nspowner": oidOwner},
		{"oid": oidInfo, "nspname": "information_schema", "nspowner": oidOwner},
	}
}

func (w *world) classes() (out []row) {
	class := func(oid, space int64, name, kind string, columns int) row {
		return row{
			"oid": oid, "tableoid": wellKnown["pg_class"], "relname": name, "relnamespace": space, "relowner": oidOwner, "relam": oidHeap, "relfilenode": oid,
			"reltuples": -1.0, "relpersistence": "p", "relkind": kind, "relnatts": columns, "relispopulated": true, "relreplident": "d",
		}
	}
	for _, r := range w.relations {
		out = append(out, class(r.oid, oidPublic, r.name, "r", len(r.columns)))
	}
	for _, name := range w.c.ownNames {
		out = append(out, class(w.c.own[name], oidCatalog, name, "r", len(w.c.tables[name].columns)))
	}
	return out
}

func (w *world) attributes() (out []row) {
	for _, r := range w.relations {
		for i, c := range r.columns {
			t, mod := columnType(c.Type)
			a := row{
				"attrelid": r.oid, "attname": c.Name, "atttypid": t.oid, "attstattarget": -1, "attlen": int(t.size), "attnum": i + 1, "attcacheoff": -1,
				"atttypmod": int(mod), "attbyval": t.size > 0 && t.size <= 8, "attalign": "i", "attstorage": storage(t), "attnotnull": notNull(c), "attislocal": true,
			}
			if t.category == "S" {
				a["attcollation"] = oidColl
			}
			out = append(out, a)
		}
	}
	return out
}

func storage(t typ) string {
	if t.size < 0 {
		return "x"
	}
	return "p"
}

func (w *world) types() (out []row) {
	for _, t := range builtin {
		r := row{
			"oid": t.oid, "tableoid": wellKnown["pg_type"], "typname": t.name, "typnamespace": oidCatalog, "typowner": oidOwner, "typlen": int(t.size),
			"typbyval": t.size > 0 && t.size <= 8, "typtype": "b", "typcategory": t.category, "typisdefined": true, "typdelim": ",", "typarray": t.array,
			"typinput": t.name + "in", "typoutput": t.name + "out", "typreceive": t.name + "recv", "typsend": t.name + "send", "typalign": "i",
			"typstorage": storage(t), "typtypmod": -1,
		}
		switch t.category {
		case "X":
			r["typtype"] = "p"
		case "S":
			r["typcollation"] = oidColl
		}
		out = append(out, r)
		if t.array != 0 {
			out = append(out, row{
				"oid": t.array, "tableoid": wellKnown["pg_type"], "typname": "_" + t.name, "typnamespace": oidCatalog, "typowner": oidOwner, "typlen": -1, "typtype": "b",
				"typcategory": "A", "typisdefined": true, "typdelim": ",", "typelem": t.oid, "typinput": "array_in", "typoutput": "array_out",
				"typreceive": "array_recv", "typsend": "array_send", "typalign": "i", "typstorage": "x", "typtypmod": -1, "typsubscript": "array_subscript_handler",
			})
		}
	}
	return out
}

func (w *world) databases() (out []row) {
	oids := oidsOf(w.projects)
	for _, p := range w.projects {
		out = append(out, row{
			"oid": oids[p], "datname": p, "datdba": oidOwner, "encoding": 6, "datlocprovider": "c", "datallowconn": true, "datconnlimit": -1,
			"dattablespace": oidDefault, "datcollate": "C", "datctype": "C",
		})
	}
	return out
}

func (w *world) roles() []row {
	out := []row{{"oid": oidOwner, "rolname": "tidemark", "rolinherit": true, "rolcanlogin": true, "rolconnlimit": -1}}
	if w.q.User != "tidemark" {
		out = append(out, row{"oid": oidsOf([]string{w.q.User})[w.q.User], "rolname": w.q.User, "rolinherit": true, "rolcanlogin": true, "rolconnlimit": -1})
	}
	return out
}

func (w *world) users() (out []row) {
	for _, r := range w.roles() {
		out = append(out, row{"usename": r["rolname"], "usesysid": r["oid"]})
	}
	return out
}

func (w *world) tables() (out []row) {
	for _, r := range w.relations {
		out = append(out, row{"schemaname": "public", "tablename": r.name, "tableowner": "tidemark"})
	}
	return out
}

func (w *world) settings() (out []row) {
	for _, name := range w.q.Settings {
		if v, ok := w.q.Setting(name); ok {
			out = append(out, row{
				"name": name, "setting": v, "category": "tidemark", "short_desc": name, "context": "user", "vartype": "string", "source": "default",
				"boot_val": v, "reset_val": v,
			})
		}
	}
	return out
}

func (w *world) tablespaces() []row {
	return []row{{"oid": oidDefault, "spcname": "pg_default", "spcowner": oidOwner}}
}

func (w *world) methods() []row {
	return []row{{"oid": oidHeap, "amname": "heap", "amtype": "t"}}
}

func (w *world) collations() []row {
	return []row{
		{"oid": oidColl, "collname": "default", "collnamespace": oidCatalog, "collowner": oidOwner, "collprovider": "d", "collisdeterministic": true, "collencoding": -1},
		{"oid": 950, "collname": "C", "collnamespace": oidCatalog, "collowner": oidOwner, "collprovider": "c", "collisdeterministic": true, "collencoding": -1, "collcollate": "C", "collctype": "C"},
	}
}

func (w *world) languages() []row {
	return []row{{"oid": 14, "lanname": "sql", "lanowner": oidOwner, "lanpltrusted": true}}
}

func (w *world) schemata() (out []row) {
	for _, n := range []string{"information_schema", "pg_catalog", "public"} {
		out = append(out, row{"catalog_name": w.q.Database, "schema_name": n, "schema_owner": "tidemark"})
	}
	return out
}

func (w *world) infoTables() (out []row) {
	for _, r := range w.relations {
		out = append(out, row{
			"table_catalog": w.q.Database, "table_schema": "public", "table_name": r.name, "table_type": "BASE TABLE", "is_insertable_into": "NO", "is_typed": "NO",
		})
	}
	return out
}

func (w *world) infoColumns() (out []row) {
	for _, r := range w.relations {
		for i, c := range r.columns {
			t, _ := columnType(c.Type)
			col := row{
				"table_catalog": w.q.Database, "table_schema": "public", "table_name": r.name, "column_name": c.Name, "ordinal_position": i + 1,
				"is_nullable": "YES", "data_type": t.sql, "udt_catalog": w.q.Database, "udt_schema": "pg_catalog", "udt_name": t.name, "dtd_identifier": "1",
				"is_self_referencing": "NO", "is_identity": "NO", "identity_cycle": "NO", "is_generated": "NEVER", "is_updatable": "NO",
			}
			switch c.Type.Kind {
			case cube.Int64:
				col["numeric_precision"], col["numeric_precision_radix"], col["numeric_scale"] = 64, 2, 0
			case cube.Float64:
				col["numeric_precision"], col["numeric_precision_radix"] = 53, 2
			case cube.Decimal:
				col["numeric_precision"], col["numeric_precision_radix"], col["numeric_scale"] = int(c.Type.Precision), 10, int(c.Type.Scale)
			case cube.Timestamp:
				col["datetime_precision"] = 6
			case cube.Date:
				col["datetime_precision"] = 0
			case cube.String, cube.JSON:
				col["character_octet_length"] = 1 << 30
			}
			out = append(out, col)
		}
	}
	return out
}

func (w *world) privileges() (out []row) {
	for _, r := range w.relations {
		out = append(out, row{
			"grantor": "tidemark", "grantee": w.q.User, "table_catalog": w.q.Database, "table_schema": "public", "table_name": r.name,
			"privilege_type": "SELECT", "is_grantable": "NO", "with_hierarchy": "YES",
		})
	}
	return out
}

func (w *world) catalogName() []row { return []row{{"catalog_name": w.q.Database}} }

func (w *world) characterSets() []row { return []row{{"character_set_name": "UTF8"}} }

// keywords are words that DuckDB reserves, or takes for the begin of a clause, beyond those of the standard.
func (w *world) keywords() (out []row) {
	for _, k := range []string{
		"analyse", "analyze", "anti", "asof", "columns", "describe", "exclude", "glob", "ilike", "isnull", "lambda", "limit", "map", "notnull", "offset",
		"pivot", "placing", "positional", "qualify", "replace", "returning", "sample", "semi", "show", "summarize", "unpivot", "using", "variadic",
	} {
		out = append(out, row{"word": k, "catcode": "R", "catdesc": "reserved"})
	}
	return out
}
