package prompt_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tidemarkdb/tidemark/cmd/tidemark/prompt"
)

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
		rest string
	}{
		{"", nil, ""},
		{" \n-- nothing;\n/* nor here; */", nil, ""},
		{"select 1", nil, "select 1"},
		{"select 1;", []string{"select 1"}, ""},
		{"select 1; select\n2 ;; select 3", []string{"select 1", "select\n2"}, "select 3"},
		{`select ';', ";", 'it''s;' ;x`, []string{`select ';', ";", 'it''s;'`}, "x"},
		{"select $$a;b$$, $t_1$;$$;$t_1$, $1, 5$;", []string{"select $$a;b$$, $t_1$;$$;$t_1$, $1, 5$"}, ""},
		{"select 1 -- one; \n;", []string{"select 1 -- one;"}, ""},
		{"select /* ; */ 1;", []string{"select /* ; */ 1"}, ""},
		{"select 'open; \n", nil, "select 'open; \n"},
		{"select 1; select \"open; ", []string{"select 1"}, "select \"open; "},
		{"select /* open; ", nil, "select /* open; "},
		{"select 1 -- open;", nil, "select 1 -- open;"},
		{"select 1 - 2 / 3;", []string{"select 1 - 2 / 3"}, ""},
	} {
		got, rest := prompt.Split(c.text)
		if d := cmp.Diff(c.want, got); d != "" || rest != c.rest {
			t.Errorf("%q: rest %q, want %q\n%s", c.text, rest, c.rest, d)
		}
	}
}

// P1: how lines are brought together changes nothing: what is typed piece by piece gives the statements of the whole text.
func TestSplitByPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(rapid.StringOfN(rapid.SampledFrom([]rune(`a1 ;'"-/*$`)), 0, 12, -1), 1, 6).Draw(t, "lines")
		var piecewise []string
		pending := ""
		for _, l := range lines {
			got, rest := prompt.Split(pending + l + "\n")
			piecewise, pending = append(piecewise, got...), rest
		}
		whole, rest := prompt.Split(strings.Join(lines, "\n") + "\n")
		if d := cmp.Diff(whole, piecewise); d != "" || rest != pending {
			t.Fatalf("rest %q, by pieces %q\n%s", rest, pending, d)
		}
	})
}
