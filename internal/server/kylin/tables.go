package kylin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/query/plan"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

const (
	catalogName = "defaultCatalog"
	schemaName  = "DEFAULT"
)

// project returns the project of a name, which Kylin's clients may write in capitals.
func (h *Handler) project(ctx context.Context, name string) (string, error) {
	all, err := h.o.Catalog.Projects(ctx)
	if err != nil {
		return "", err
	}
	name = cmp.Or(name, "default")
	for _, exact := range []bool{true, false} {
		for _, p := range all {
			if p.Name == name || !exact && strings.EqualFold(p.Name, name) {
				return p.Name, nil
			}
		}
	}
	return "", said("Cannot find project '%s'", name)
}

// relations are what a statement of a project may read: its tables, then its lookup tables, each by name.
func (h *Handler) relations(ctx context.Context, project string) ([]*plan.Relation, error) {
	tables, err := h.o.Catalog.Tables(ctx, project)
	if err != nil {
		return nil, err
	}
	found, err := h.o.Catalog.Lookups(ctx, project)
	if err != nil {
		return nil, err
	}
	var out []*plan.Relation
	for _, t := range tables {
		out = append(out, plan.TableRelation(t))
	}
	for _, l := range found {
		r, err := plan.LookupRelation(l.Lookup)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(out, func(o *plan.Relation) bool { return strings.EqualFold(o.Name, r.Name) }) {
			out = append(out, r)
		}
	}
	return out, nil
}

// shown are the columns of a relation that clients are told of: those of Kafka records are ours.
func shown(r *plan.Relation) []plan.Column {
	return slices.DeleteFunc(slices.Clone(r.Columns), func(c plan.Column) bool { return strings.HasPrefix(c.Name, "_") })
}

// tableMeta has the keys of JDBC's getTables, as Kylin writes them. The driver refuses any other (K6).
type tableMeta struct {
	Catalog      string        `json:"table_CAT"`
	Schema       string        `json:"table_SCHEM"`
	Name         string        `json:"table_NAME"`
	Type         string        `json:"table_TYPE"`
	Remarks      *string       `json:"remarks"`
	TypeCatalog  *string       `json:"type_CAT"`
	TypeSchema   *string       `json:"type_SCHEM"`
	TypeName     *string       `json:"type_NAME"`
	SelfColumn   *string       `json:"self_REFERENCING_COL_NAME"`
	RefGenerator *string       `json:"ref_GENERATION"`
	Columns      []tableColumn `json:"columns"`
}

// tableColumn has those of getColumns.
type tableColumn struct {
	Catalog         string  `json:"table_CAT"`
	Schema          string  `json:"table_SCHEM"`
	Table           string  `json:"table_NAME"`
	Name            string  `json:"column_NAME"`
	DataType        int     `json:"data_TYPE"`
	TypeName        string  `json:"type_NAME"`
	Size            int     `json:"column_SIZE"`
	BufferLength    int     `json:"buffer_LENGTH"`
	DecimalDigits   int     `json:"decimal_DIGITS"`
	Radix           int     `json:"num_PREC_RADIX"`
	Nullable        int     `json:"nullable"`
	Remarks         *string `json:"remarks"`
	Default         *string `json:"column_DEF"`
	SQLDataType     int     `json:"sql_DATA_TYPE"`
	SQLDatetimeSub  int     `json:"sql_DATETIME_SUB"`
	CharOctetLength int     `json:"char_OCTET_LENGTH"`
	Position        int     `json:"ordinal_POSITION"`
	IsNullable      string  `json:"is_NULLABLE"`
	ScopeCatalog    *string `json:"scope_CATLOG"` // so it is spelt
	ScopeSchema     *string `json:"scope_SCHEMA"`
	ScopeTable      *string `json:"scope_TABLE"`
	SourceDataType  int     `json:"source_DATA_TYPE"`
	AutoIncrement   string  `json:"is_AUTOINCREMENT"`
}

// columnType is the type of a table's column, and its name with what belongs to it.
func columnType(t cube.Type) (sqlType, string) {
	switch t.Kind {
	case cube.Bool:
		return booleanType, "BOOLEAN"
	case cube.Int64:
		return bigintType, "BIGINT"
	case cube.Float64:
		return doubleType, "DOUBLE"
	case cube.Decimal:
		return decimalType(t.Precision, t.Scale), fmt.Sprintf("DECIMAL(%d,%d)", t.Precision, t.Scale) // without a blank: SQLAlchemy
	case cube.Date:
		return dateType, "DATE"
	case cube.Timestamp:
		return timestampType, "TIMESTAMP(0)"
	}
	return varcharType, fmt.Sprintf("VARCHAR(%d)", longest)
}

func (h *Handler) tablesAndColumns(_ http.ResponseWriter, r *http.Request) (any, error) {
	project, err := h.project(r.Context(), r.URL.Query().Get("project"))
	if err != nil {
		return nil, err
	}
	all, err := h.relations(r.Context(), project)
	if err != nil {
		return nil, err
	}
	out := []tableMeta{}
	for _, rel := range all {
		t := tableMeta{Catalog: catalogName, Schema: schemaName, Name: strings.ToUpper(rel.Name), Type: "TABLE", Columns: []tableColumn{}}
		for i, c := range shown(rel) {
			typ, name := columnType(c.Type)
			octets := -1
			if typ.code == varcharType.code {
				octets = typ.precision
			}
			t.Columns = append(t.Columns, tableColumn{
				Catalog: catalogName, Schema: schemaName, Table: t.Name, Name: strings.ToUpper(c.Name), DataType: typ.code, TypeName: name, Size: typ.precision,
				BufferLength: -1, DecimalDigits: typ.scale, Radix: 10, Nullable: 1, SQLDataType: -1, SQLDatetimeSub: -1, CharOctetLength: octets,
				Position: i + 1, IsNullable: "YES", SourceDataType: -1, AutoIncrement: "NO",
			})
		}
		out = append(out, t)
	}
	return out, nil
}

// tableDesc is a table as Kylin keeps it.
type tableDesc struct {
	UUID         string            `json:"uuid"`
	LastModified int64             `json:"last_modified"`
	Version      string            `json:"version"`
	Name         string            `json:"name"`
	Database     string            `json:"database"`
	SourceType   int               `json:"source_type"` // 1: streaming
	TableType    *string           `json:"table_type"`
	Columns      []descColumn      `json:"columns"`
	Extended     map[string]string `json:"exd,omitempty"`
}

type descColumn struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Datatype string `json:"datatype"`
}

func (h *Handler) tables(_ http.ResponseWriter, r *http.Request) (any, error) {
	project, err := h.project(r.Context(), r.URL.Query().Get("project"))
	if err != nil {
		return nil, err
	}
	all, err := h.relations(r.Context(), project)
	if err != nil {
		return nil, err
	}
	out := []tableDesc{}
	for _, rel := range all {
		out = append(out, descOf(project, rel))
	}
	return out, nil
}

func descOf(project string, r *plan.Relation) tableDesc {
	t := tableDesc{
		UUID: uuid("table", project, strings.ToLower(r.Name)), Version: kylinVersion, Name: strings.ToUpper(r.Name), Database: schemaName, Columns: []descColumn{},
	}
	if r.Table != nil {
		t.SourceType = 1
	}
	for i, c := range shown(r) {
		_, name := columnType(c.Type)
		t.Columns = append(t.Columns, descColumn{ID: strconv.Itoa(i + 1), Name: strings.ToUpper(c.Name), Datatype: strings.ToLower(name)})
	}
	return t
}

// showTable answers with one, by DB.TABLE or TABLE.
func (h *Handler) showTable(_ http.ResponseWriter, r *http.Request) (any, error) {
	project, err := h.project(r.Context(), r.PathValue("project"))
	if err != nil {
		return nil, err
	}
	all, err := h.relations(r.Context(), project)
	if err != nil {
		return nil, err
	}
	name := r.PathValue("table")
	name = name[strings.LastIndexByte(name, '.')+1:]
	for _, rel := range all {
		if strings.EqualFold(rel.Name, name) {
			return descOf(project, rel), nil
		}
	}
	return nil, failed(http.StatusNotFound, "Cannot find table %s in project %s", name, project)
}

// projectJSON is a project as Kylin keeps it.
type projectJSON struct {
	UUID           string            `json:"uuid"`
	LastModified   int64             `json:"last_modified"`
	Version        string            `json:"version"`
	Name           string            `json:"name"`
	Tables         []string          `json:"tables"`
	Owner          *string           `json:"owner"`
	Status         string            `json:"status"`
	CreateTimeUTC  int64             `json:"create_time_utc"`
	LastUpdateTime string            `json:"last_update_time"`
	Description    *string           `json:"description"`
	Realizations   []realization     `json:"realizations"`
	Models         []string          `json:"models"`
	ExtFilters     []string          `json:"ext_filters"`
	Overrides      map[string]string `json:"override_kylin_properties"`
}

type realization struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Of   string `json:"realization"`
}

func (h *Handler) projects(_ http.ResponseWriter, r *http.Request) (any, error) {
	all, err := h.o.Catalog.Projects(r.Context())
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	out := []projectJSON{}
	for _, p := range page(all, q.Get("offset"), q.Get("limit"), len(all)) {
		j, err := h.projectJSON(r.Context(), p)
		if err != nil {
			return nil, err
		}
		out = append(out, j)
	}
	return out, nil
}

func (h *Handler) projectJSON(ctx context.Context, p catalog.Project) (projectJSON, error) {
	j := projectJSON{
		UUID: uuid("project", p.Name), Version: kylinVersion, Name: p.Name, Tables: []string{}, Status: "ENABLED", Realizations: []realization{}, Models: []string{},
		ExtFilters: []string{}, Overrides: map[string]string{},
	}
	if p.Owner != "" {
		j.Owner = &p.Owner
	}
	all, tablesErr := h.relations(ctx, p.Name)
	for _, rel := range all {
		j.Tables = append(j.Tables, schemaName+"."+strings.ToUpper(rel.Name))
	}
	cubes, cubesErr := h.o.Catalog.Cubes(ctx, p.Name)
	for _, c := range cubes {
		j.Realizations = append(j.Realizations, realization{c.Cube.Name, "CUBE", c.Cube.Name})
	}
	models, modelsErr := h.models(ctx)
	for _, m := range models {
		if m.Project == p.Name {
			j.Models = append(j.Models, m.desc.Name)
		}
	}
	return j, errors.Join(tablesErr, cubesErr, modelsErr)
}
