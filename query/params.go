package query

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidemarkdb/tidemark/query/duck"
)

// bound returns a query with values in the place of its parameters: what cubes can answer depends on them.
func bound(q duck.Query, names []string, values []any) (duck.Query, error) {
	if len(names) != len(values) {
		return nil, &duck.Error{Kind: "parameter", Message: fmt.Sprintf("%d values for %d parameters", len(values), len(names)), Offset: -1}
	}
	if len(names) == 0 {
		return q, nil
	}
	var wrong error
	out := duck.Rewrite(duck.Clone(q), func(n duck.Node) duck.Node {
		p, ok := n.(*duck.Param)
		if !ok {
			return n
		}
		at := slices.Index(names, p.Name)
		if at < 0 {
			wrong = &duck.Error{Kind: "parameter", Message: fmt.Sprintf("parameter $%s is not among %v", p.Name, names), Offset: p.Pos()}
			return n
		}
		e, err := Literal(values[at])
		if err != nil {
			wrong = &duck.Error{Kind: "parameter", Message: fmt.Sprintf("parameter $%s: %v", p.Name, err), Offset: p.Pos()}
			return n
		}
		e.SetAlias(p.Alias())
		return e
	})
	return out, wrong
}

// Literal writes a value as an expression.
func Literal(v any) (duck.Expr, error) {
	cast := func(text string, to duck.Type) (duck.Expr, error) {
		return &duck.Cast{X: duck.NewConstant(text), To: to}, nil
	}
	switch v := v.(type) {
	case nil, bool, int64, float64:
		return duck.NewConstant(v), nil
	case string:
		return duck.NewConstant(v), checkText(v)
	case Typed:
		return v.expr(), checkText(v.Text)
	case []any:
		list := &duck.Function{Name: "list_value"}
		for _, x := range v {
			e, err := Literal(x)
			if err != nil {
				return nil, err
			}
			list.Args = append(list.Args, e)
		}
		return list, nil
	case *big.Int:
		if v.IsInt64() {
			return duck.NewConstant(v.Int64()), nil
		}
		return cast(v.String(), duck.Type{Name: "HUGEINT"})
	case time.Time:
		return cast(v.UTC().Format("2006-01-02 15:04:05.999999"), duck.Type{Name: "TIMESTAMP"})
	case duck.Decimal:
		digits := len(new(big.Int).Abs(v.Unscaled).String())
		text := new(big.Rat).SetFrac(v.Unscaled, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(v.Scale)), nil)).FloatString(v.Scale)
		return cast(text, duck.Type{Name: "DECIMAL", Precision: min(max(digits, v.Scale+1), 38), Scale: v.Scale})
	case []byte:
		return &duck.Function{Name: "unhex", Args: []duck.Expr{duck.NewConstant(hex.EncodeToString(v))}}, nil
	}
	return nil, fmt.Errorf("a %T cannot be one", v)
}

// checkText refuses what no text of DuckDB can be.
func checkText(s string) error {
	if i := strings.IndexByte(s, 0); i >= 0 {
		return fmt.Errorf("a zero byte at byte %d: send bytes as a BLOB", i)
	}
	if utf8.ValidString(s) {
		return nil
	}
	i := 0
	for n := 0; ; i += n {
		var r rune
		if r, n = utf8.DecodeRuneInString(s[i:]); r == utf8.RuneError && n < 2 {
			return fmt.Errorf("bytes that are not UTF-8 at byte %d: send them as a BLOB", i)
		}
	}
}

// paramsKey tells values of parameters apart.
func paramsKey(values []any) string {
	var b strings.Builder
	for _, v := range values {
		text := fmt.Sprintf("%v", v)
		fmt.Fprintf(&b, "%T %d %s,", v, len(text), text)
	}
	return b.String()
}
