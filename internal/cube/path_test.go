package cube

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestParsePath(t *testing.T) {
	k := func(s string) Step { return Step{Key: s, Index: -1} }
	x := func(i int) Step { return Step{Index: i} }
	for in, want := range map[string]Path{
		"url":               {k("url")},
		"page.url":          {k("page"), k("url")},
		"page.tags[0].x":    {k("page"), k("tags"), x(0), k("x")},
		"m[1][20]":          {k("m"), x(1), x(20)},
		`a["b.c"]`:          {k("a"), k("b.c")},
		`["user agent"].os`: {k("user agent"), k("os")},
		`[""]`:              {k("")},
		`a["q\"\\]"]`:       {k("a"), k(`q"\]`)},
		`["\u00e9"]`:        {k("é")},
		"größe.@type-x$/1":  {k("größe"), k("@type-x$/1")},
	} {
		got, err := ParsePath(in)
		if err != nil {
			t.Errorf("ParsePath(%s): %v", in, err)
			continue
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("ParsePath(%s) (-want +got):\n%s", in, d)
		}
	}
	if got := (Path{k("é"), k("a b"), x(3), k("c")}).String(); got != `é["a b"][3].c` {
		t.Errorf("String() = %s", got)
	}
}

func TestParsePathComplains(t *testing.T) {
	for in, want := range map[string]string{
		"":                         "is empty",
		".a":                       "empty key",
		"a.":                       "empty key",
		"a..b":                     "empty key",
		"a.[0]":                    "empty key",
		"a b":                      `' ' in a plain key`,
		`a"b`:                      "in a plain key",
		"a]":                       "in a plain key",
		"[0].a":                    "begins with an index",
		"a[0]b":                    "a[0].b",
		"a[01]":                    `"01" as an index`,
		"a[-1]":                    `"-1" as an index`,
		"a[]":                      `"" as an index`,
		"a[x]":                     `"x" as an index`,
		"a[0":                      "never closed",
		`a["x`:                     "never closed",
		`a["x\`:                    "never closed",
		`a["x"`:                    "needs ]",
		`a["\x"]`:                  "no JSON string",
		"a[10000]":                 "over 9999",
		strings.Repeat("a.", 40):   "32 steps",
		strings.Repeat("abc", 400): "1024 bytes",
		"a\xff":                    "UTF-8",
	} {
		_, err := ParsePath(in)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParsePath(%q) = %v, want %q in it", in, err, want)
		}
	}
}

// C3: the text form of a path reads back as the path.
func TestPathRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := genPath().Draw(t, "path")
		got, err := ParsePath(p.String())
		if err != nil {
			t.Fatalf("ParsePath(%s): %v", p, err)
		}
		if d := cmp.Diff(p, got); d != "" {
			t.Fatalf("%s (-want +got):\n%s", p, d)
		}
	})
}

func genPath() *rapid.Generator[Path] {
	return rapid.Custom(func(t *rapid.T) Path {
		key := rapid.OneOf(rapid.StringMatching(`[a-z]{1,8}`), rapid.StringN(0, 8, 24))
		var p Path
		for i := range rapid.IntRange(1, 5).Draw(t, "steps") {
			if i > 0 && rapid.IntRange(0, 3).Draw(t, "index") == 0 {
				p = append(p, Step{Index: rapid.IntRange(0, maxPathIndex).Draw(t, "i")})
				continue
			}
			p = append(p, Step{Key: key.Draw(t, "key"), Index: -1})
		}
		return p
	})
}

func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"page.url", "tags[0]", `a["b.c"]`, `[""]`, "a..b", `a["\ud83d\ude00"]`, "a[9999][0].x", `a["`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePath(s)
		if err != nil {
			return
		}
		again, err := ParsePath(p.String())
		if err != nil {
			t.Fatalf("%q gave %v, whose text %q is refused: %v", s, p, p.String(), err)
		}
		if d := cmp.Diff(p, again); d != "" {
			t.Fatalf("%q (-want +got):\n%s", s, d)
		}
	})
}
