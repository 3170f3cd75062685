package kylin

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/internal/cube"
)

const clicksModel = `{"name": "Clicks_Model", "owner": "ann", "fact_table": "DEFAULT.CLICKS", "lookups": [], "dimensions": [{"table": "CLICKS", "columns": ["URL"]}],
 "metrics": [], "filter_condition": "", "partition_desc": {"partition_date_column": "CLICKS.HOUR_START", "partition_type": "APPEND"}, "capacity": "MEDIUM", "extra": 7}`

const clicksDesc = `{"name": "Sales", "model_name": "clicks_model", "description": "first",
 "dimensions": [{"name": "URL", "table": "CLICKS", "column": "URL", "derived": null}, {"name": "H", "table": "CLICKS", "column": "HOUR_START", "derived": null}],
 "measures": [{"name": "_COUNT_", "function": {"expression": "COUNT", "parameter": {"type": "constant", "value": "1"}, "returntype": "bigint"}}],
 "rowkey": {"rowkey_columns": [{"column": "HOUR_START", "encoding": "time"}, {"column": "URL", "encoding": "fixed_length:12"}]},
 "aggregation_groups": [{"includes": ["URL", "HOUR_START"], "select_rule": {"hierarchy_dims": [], "mandatory_dims": ["HOUR_START"], "joint_dims": []}}],
 "auto_merge_time_ranges": [86400000], "retention_range": 0, "engine_type": 2, "storage_type": 2, "override_kylin_properties": {"a": "b"}}`

func body(of map[string]string) string {
	text, err := json.Marshal(of)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func (f *fixture) model(method, text string) (out modelRequest) {
	f.t.Helper()
	f.good(method, "/models", body(map[string]string{"modelDescData": text, "project": "default"}), &out)
	return out
}

func (f *fixture) desc(method, text string) (out cubeRequest) {
	f.t.Helper()
	f.good(method, "/cubes", body(map[string]string{"cubeDescData": text, "project": "default"}), &out)
	return out
}

// A model and a cube are made, read back and changed as Kylin's clients do, and what has no place here is named.
func TestDescriptors(t *testing.T) {
	f := newFixture(t)
	made := f.model(http.MethodPost, clicksModel)
	if !made.Successful || made.UUID == nil || made.ModelDescData != clicksModel {
		t.Fatalf("POST /models: %+v", made)
	}
	cubed := f.desc(http.MethodPost, clicksDesc)
	if !cubed.Successful || cubed.UUID == nil || cubed.CubeDescData != clicksDesc {
		t.Fatalf("POST /cubes: %+v", cubed)
	}
	for _, want := range []string{"cut by request", "Sales is called sales", "not cut at 12 bytes", "override_kylin_properties"} {
		if !strings.Contains(cubed.Message, want) {
			t.Errorf("POST /cubes says %q, want %q in it", cubed.Message, want)
		}
	}
	i, err := f.c.Cube(t.Context(), "default", "sales")
	if err != nil || i.Cube.Table != "clicks" || len(i.Cube.Dimensions) != 2 || !i.Cube.Cut.Manual || i.Cube.Owner != "ann" {
		t.Fatalf("cube: %+v, %v", i.Cube, err)
	}

	var list []map[string]any
	f.good(http.MethodGet, "/cube_desc/SALES", "", &list)
	if len(list) != 1 || list[0]["name"] != "sales" || list[0]["uuid"] != *cubed.UUID {
		t.Fatalf("GET /cube_desc: %v", list)
	}
	for _, key := range []string{"dimensions", "measures", "rowkey", "aggregation_groups", "notify_list", "notes"} {
		if list[0][key] == nil {
			t.Errorf("GET /cube_desc has no %s: %v", key, list[0])
		}
	}
	var one map[string]any
	f.good(http.MethodGet, "/cube_desc/sales/desc", "", &one)
	f.good(http.MethodGet, "/model/"+one["model_name"].(string), "", &one) // what kylinpy asks next
	if one["fact_table"] != "DEFAULT.CLICKS" || one["lookups"] == nil {
		t.Errorf("the model of the cube's descriptor: %v", one)
	}
	f.good(http.MethodGet, "/model/clicks_MODEL", "", &one)
	if one["name"] != "Clicks_Model" || one["extra"] != 7.0 || one["uuid"] != *made.UUID {
		t.Errorf("GET /model: %v", one)
	}
	f.good(http.MethodGet, "/models?modelName=clicks_model&projectName=default", "", &list)
	if len(list) != 1 {
		t.Errorf("GET /models: %v", list)
	}
	if changed := f.model(http.MethodPut, strings.Replace(clicksModel, `"owner": "ann"`, `"owner": "eve"`, 1)); !changed.Successful {
		t.Errorf("PUT /models: %+v", changed)
	}
	if f.good(http.MethodGet, "/model/Clicks_Model", "", &one); one["owner"] != "eve" {
		t.Errorf("a changed model: %v", one)
	}
	if code, text := f.curl(http.MethodDelete, "/model/Clicks_Model", ""); code != http.StatusNotFound {
		t.Errorf("DELETE /model: %d %s; Kylin has /models", code, text)
	}
	if code, text := f.curl(http.MethodDelete, "/models/Clicks_Model", ""); code != http.StatusOK || text != "" {
		t.Errorf("DELETE /models: %d %s", code, text)
	}
	f.bad(http.MethodGet, "/model/Clicks_Model", "", http.StatusInternalServerError, "Cannot find model")
	if again := f.model(http.MethodPost, clicksModel); !again.Successful {
		t.Errorf("POST /models after a drop: %+v", again)
	}
}

// Reading a descriptor and sending it back with one word changed changes that word alone.
func TestDescriptorChange(t *testing.T) {
	f := newFixture(t)
	def, err := cube.ParseCube([]byte("cube: mine\ntable: clicks\ntime_zone: Europe/Berlin\nnotify: [https://example.org/hook]\nmax_jobs: 5\n"+
		"dimensions: [url]\nmeasures: [count, last(url)]\ncut: {age: 9m}\nfill_holes: true\n"), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	was, err := f.c.ApplyCube(t.Context(), def.WithDefaults())
	if err != nil {
		t.Fatal(err)
	}
	var d map[string]any
	f.good(http.MethodGet, "/cube_desc/mine/desc", "", &d)
	d["description"] = "changed"
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	if out := f.desc(http.MethodPut, string(text)); !out.Successful || !strings.Contains(out.Message, "stays as it is") {
		t.Fatalf("PUT /cubes: %+v", out)
	}
	is, err := f.c.Cube(t.Context(), "default", "mine")
	if err != nil {
		t.Fatal(err)
	}
	diff := cube.DiffCubes(was.Cube, is.Cube)
	if len(diff.Lines) != 1 || !strings.Contains(diff.Lines[0], "description") {
		t.Errorf("changed: %q, want the description alone", diff.Lines)
	}
}

// Nothing is made of what makes no sense, and the answer is Kylin's.
func TestDescriptorsRefused(t *testing.T) {
	f := newFixture(t)
	const broken = http.StatusInternalServerError
	post := func(path, key, text string) (string, string) { return path, body(map[string]string{key: text}) }
	if out := f.model(http.MethodPost, `{"name":`); out.Successful || out.ModelDescData != "" || !strings.Contains(out.Message, "not JSON") {
		t.Errorf("broken JSON of a model: %+v", out)
	}
	if out := f.desc(http.MethodPost, `[]`); out.Successful || out.CubeDescData != "" || out.Message == "" {
		t.Errorf("broken JSON of a cube: %+v", out)
	}
	if out := f.model(http.MethodPut, clicksModel); out.Successful || !strings.Contains(out.Message, "does not exist") {
		t.Errorf("change of no model: %+v", out)
	}
	if out := f.desc(http.MethodPut, clicksDesc); out.Successful || !strings.Contains(out.Message, "does not exist") {
		t.Errorf("change of no cube: %+v", out)
	}
	path, b := post("/cubes", "cubeDescData", clicksDesc)
	f.bad(http.MethodPost, path, b, broken, "Cannot find model clicks_model")
	path, b = post("/models", "modelDescData", strings.Replace(clicksModel, "DEFAULT.CLICKS", "DEFAULT.NOWHERE", 1))
	f.bad(http.MethodPost, path, b, broken, "tidemark table apply")
	path, b = post("/models", "modelDescData", strings.Replace(clicksModel, `"lookups": []`, `"lookups": [{"table": "DEFAULT.COUNTRIES"}]`, 1))
	f.bad(http.MethodPost, path, b, broken, "lookup table DEFAULT.COUNTRIES")
	path, b = post("/models", "modelDescData", strings.Replace(clicksModel, "Clicks_Model", " ", 1))
	f.bad(http.MethodPost, path, b, http.StatusBadRequest, "Model name should not be empty")
	f.model(http.MethodPost, clicksModel)
	path, b = post("/models", "modelDescData", clicksModel)
	f.bad(http.MethodPost, path, b, broken, "already exists")
	for _, c := range [][3]string{
		{`"table": "CLICKS", "column": "URL", "derived": null`, `"table": "COUNTRIES", "column": null, "derived": ["NAME"]`, "is of table COUNTRIES, which the model does not join"},
		{`"column": "URL", "derived"`, `"column": "NOPE", "derived"`, "has no column nope"},
		{`"expression": "COUNT"`, `"expression": "RAW"`, "RAW is not a measure here"},
	} {
		path, b = post("/cubes", "cubeDescData", strings.Replace(clicksDesc, c[0], c[1], 1))
		f.bad(http.MethodPost, path, b, broken, c[2])
	}
	path, b = post("/cubes", "cubeDescData", strings.Replace(clicksDesc, `"Sales"`, `""`, 1))
	f.bad(http.MethodPost, path, b, http.StatusBadRequest, "Cube name should not be empty")
	f.desc(http.MethodPost, clicksDesc)
	path, b = post("/cubes", "cubeDescData", clicksDesc)
	f.bad(http.MethodPost, path, b, broken, "already exists")
	var out cubeRequest
	f.good(http.MethodPut, "/cubes", body(map[string]string{"cubeDescData": clicksDesc, "cubeName": "other"}), &out)
	if out.Successful || !strings.Contains(out.Message, "cannot be renamed") {
		t.Errorf("rename: %+v", out)
	}
	f.bad(http.MethodGet, "/cube_desc/none", "", broken, "Cannot find cube none")
	f.bad(http.MethodDelete, "/models/none", "", http.StatusNotFound, "Cannot find model none")
	f.bad(http.MethodDelete, "/models/sales_model", "", broken, "drop the cube")
}
