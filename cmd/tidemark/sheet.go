package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/tidemarkdb/tidemark/internal/server"
)

// sheet is rows as they are shown.
type sheet struct {
	names []string
	right []bool // numbers stand right, and are never cut
	rows  [][]sheetCell
}

type sheetCell struct {
	text string
	null bool
}

const (
	between  = 2 // blanks between columns
	leastCut = 8 // columns that a text keeps when it is cut
)

func newSheet(a *server.QueryAnswer) *sheet {
	s := &sheet{}
	for _, c := range a.Columns {
		s.names = append(s.names, plainText(c.Name))
		s.right = append(s.right, isNumber(c.Type))
	}
	for _, row := range a.Rows {
		cells := make([]sheetCell, len(row))
		for i, v := range row {
			cells[i] = cellOf(v, a.Columns[i].Type)
		}
		s.rows = append(s.rows, cells)
	}
	return s
}

func isNumber(sqlType string) bool {
	name, _, _ := strings.Cut(sqlType, "(")
	return slices.Contains([]string{"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "FLOAT", "DOUBLE", "DECIMAL"}, name)
}

// cellOf is a value as SQL writes it.
func cellOf(v any, sqlType string) sheetCell {
	switch v := v.(type) {
	case nil:
		return sheetCell{text: "NULL", null: true}
	case string:
		switch {
		case sqlType == "TIMESTAMP":
			v = strings.TrimSuffix(strings.Replace(v, "T", " ", 1), "Z")
		case sqlType == "TIMESTAMP WITH TIME ZONE":
			v = strings.Replace(strings.Replace(v, "T", " ", 1), "Z", "+00", 1)
		}
		return sheetCell{text: plainText(v)}
	case json.Number:
		return sheetCell{text: v.String()}
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic("X3: what came as JSON is none: " + err.Error())
	}
	return sheetCell{text: plainText(string(b))}
}

// print prints a table, or, where it does not fit the terminal or this is asked for, a line for each value.
func (s *sheet) print(w io.Writer, v view) error {
	widths, fits := s.widths(v.width)
	if v.expanded || !fits {
		return s.expanded(w, v.width)
	}
	head := make([]sheetCell, len(s.names))
	rule := make([]sheetCell, len(s.names))
	for i, n := range s.names {
		head[i], rule[i] = sheetCell{text: n}, sheetCell{text: strings.Repeat("-", widths[i])}
	}
	for _, cells := range append([][]sheetCell{head, rule}, s.rows...) {
		var b strings.Builder
		for i, c := range cells {
			text := cut(c.text, widths[i])
			pad := strings.Repeat(" ", widths[i]-columns(text))
			if c.null && v.width > 0 {
				text = faint(text)
			}
			if s.right[i] {
				text = pad + text
			} else if i+1 < len(cells) {
				text += pad
			}
			if i > 0 {
				b.WriteString(strings.Repeat(" ", between))
			}
			b.WriteString(text)
		}
		if _, err := fmt.Fprintln(w, b.String()); err != nil {
			return err
		}
	}
	return nil
}

// expanded prints a line for each value.
func (s *sheet) expanded(w io.Writer, width int) error {
	most := 0
	for _, n := range s.names {
		most = max(most, columns(n))
	}
	for i, row := range s.rows {
		if _, err := fmt.Fprintf(w, "-[ row %d ]%s\n", i+1, strings.Repeat("-", max(0, most-6))); err != nil {
			return err
		}
		for k, c := range row {
			text := c.text
			if width > 0 && !s.right[k] {
				text = cut(text, max(leastCut, width-most-between-1))
			}
			if c.null && width > 0 {
				text = faint(text)
			}
			if _, err := fmt.Fprintln(w, s.names[k]+strings.Repeat(" ", most-columns(s.names[k])+between)+text); err != nil {
				return err
			}
		}
	}
	return nil
}

// widths returns how wide columns are shown, and whether they fit in a line. Texts are cut where it must be, the widest first.
func (s *sheet) widths(line int) (out []int, fits bool) {
	out = make([]int, len(s.names))
	for i, n := range s.names {
		out[i] = columns(n)
		for _, row := range s.rows {
			out[i] = max(out[i], columns(row[i].text))
		}
	}
	if line == 0 {
		return out, true
	}
	fixed, widest := between*(len(out)-1), 0
	var texts []int
	for i, n := range out {
		if s.right[i] {
			fixed += n
		} else {
			texts, widest = append(texts, n), max(widest, n)
		}
	}
	for limit := widest; ; limit-- {
		sum := fixed
		for _, n := range texts {
			sum += min(n, limit)
		}
		if sum <= line {
			for i := range out {
				if !s.right[i] {
					out[i] = min(out[i], limit)
				}
			}
			return out, true
		}
		if limit <= leastCut {
			return out, false
		}
	}
}

// cut shortens a text to so many columns of a terminal.
func cut(s string, most int) string {
	if columns(s) <= most {
		return s
	}
	n := 0
	for i, r := range s {
		n += runeColumns(r)
		if n > most-1 {
			return s[:i] + "…"
		}
	}
	return s
}

// columns is how many columns of a terminal a text takes.
func columns(s string) (n int) {
	for _, r := range s {
		n += runeColumns(r)
	}
	return n
}

// wide are the letters that take two columns: those of East Asia, and pictures.
var wide = []struct{ from, to rune }{
	{0x1100, 0x115f}, {0x2e80, 0xa4cf}, {0xac00, 0xd7a3}, {0xf900, 0xfaff}, {0xfe30, 0xfe6f}, {0xff00, 0xff60}, {0xffe0, 0xffe6}, {0x1f300, 0x1faff}, {0x20000, 0x3fffd},
}

func runeColumns(r rune) int {
	if r < 0x300 {
		return 1
	}
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	for _, w := range wide {
		if w.from <= r && r <= w.to {
			return 2
		}
	}
	return 1
}

func faint(s string) string { return "\x1b[2m" + s + "\x1b[0m" }

// plainText keeps a value on its line, and what a terminal would act on away from it.
func plainText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '�'
		}
		return r
	}, s)
}
