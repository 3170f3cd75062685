package verify

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// A definition that another program spelled otherwise is the same one; whatever is edited is another.
func TestDefinitionObjects(t *testing.T) {
	def := &cube.Cube{ID: "c1", Version: 1, Project: "default", Name: "views", Table: "events", Dimensions: []cube.Dimension{{Name: "ok", Column: "a<b"}}}
	d := cubeDefinition(def)
	st := new(blob.Mem)
	check := func(text string) string {
		t.Helper()
		if err := st.Delete(t.Context(), d.key); err != nil {
			t.Fatal(err)
		}
		if err := st.Create(t.Context(), d.key, bytes.NewReader([]byte(text))); err != nil {
			t.Fatal(err)
		}
		why, err := d.check(t.Context(), st)
		if err != nil {
			t.Fatal(err)
		}
		return why
	}
	text, err := json.MarshalIndent(def, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	whole := string(text) + "\n"
	if why := check(whole); why != "" {
		t.Fatalf("what is stored today is refused: %s", why)
	}
	if why := check(strings.Replace(whole, `\u003c`, "<", 1)); why != "" {
		t.Errorf("as another encoder spells a letter: %s", why)
	}
	for name, text := range map[string]string{
		"another value":  strings.Replace(whole, `"ok"`, `"no"`, 1),
		"another letter": strings.Replace(whole, `"table"`, `"Table"`, 1),
		"a field more":   strings.Replace(whole, "{\n", "{\n  \"x\": 1,\n", 1),
		"a blank more":   whole + " ",
		"no JSON":        whole[1:],
		"nothing":        "",
	} {
		if check(text) == "" {
			t.Errorf("%s: nothing is wrong with\n%s", name, text)
		}
	}
}
