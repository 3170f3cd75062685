package kylin

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tidemarkdb/tidemark/internal/server/results"
)

// part is some rows of an answer: those of a record from one to before another.
type part struct {
	rec      arrow.Record
	from, to int
}

// rows hands on what is within offset and limit.
func (a *asked) rows(do func(part) error) error {
	left := a.limit
	for a.limit == 0 || left > 0 {
		rec, err := a.answer.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		r := part{rec: rec, from: int(min(a.skip, rec.NumRows())), to: int(rec.NumRows())}
		a.skip -= int64(r.from)
		if n := int64(r.to - r.from); a.limit > 0 && n > left {
			r.to = r.from + int(left)
		}
		left -= int64(r.to - r.from)
		err = do(r)
		rec.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// form is how an answer is written.
type form interface {
	media() string
	rows(w io.Writer, r part) error
	// end writes what belongs behind the rows; failed is why they are not all.
	end(w io.Writer, failed error) error
}

// late holds an answer back until it is too long for that: as long as nothing was sent, an error has its status (K1).
type late struct {
	w     http.ResponseWriter
	media string
	held  bytes.Buffer
	sent  bool
}

const (
	heldBytes = 1 << 20
	writeTime = time.Minute // how long a client may take to read so much
)

// Write keeps or sends.
func (l *late) Write(b []byte) (int, error) {
	n, err := l.held.Write(b)
	if err == nil && l.held.Len() > heldBytes {
		err = l.flush()
	}
	return n, err
}

func (l *late) flush() error {
	if !l.sent {
		l.sent = true
		l.w.Header().Set("Content-Type", l.media)
		l.w.Header().Set("X-Content-Type-Options", "nosniff")
		if strings.HasPrefix(l.media, results.CSV) {
			l.w.Header().Set("Content-Disposition", `attachment; filename="result.csv"`)
		}
		l.w.WriteHeader(http.StatusOK)
	}
	_ = http.NewResponseController(l.w).SetWriteDeadline(time.Now().Add(writeTime)) // ErrNotSupported in process
	_, err := l.held.WriteTo(l.w)
	return err
}

// cell is the text of a value, which is not null, as Java and Python read it.
func cell(a arrow.Array, i int) string {
	switch text := results.Text(a, i); text {
	case "nan", "inf", "-inf":
		if id := a.DataType().ID(); id == arrow.FLOAT64 || id == arrow.FLOAT32 {
			return map[string]string{"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[text]
		}
		return text
	default:
		return text
	}
}

// csvAnswer is a line of names, then a line a row.
type csvAnswer struct {
	row   []string
	begun bool
}

func newCSVAnswer(a *asked) *csvAnswer { return &csvAnswer{row: slices.Clone(a.labels)} }

func (c *csvAnswer) media() string { return results.CSV + ";charset=UTF-8" }

func (c *csvAnswer) rows(w io.Writer, r part) error {
	out := csv.NewWriter(w)
	if !c.begun {
		c.begun = true
		if err := out.Write(c.row); err != nil {
			return err
		}
	}
	for i := r.from; i < r.to; i++ {
		for k, a := range r.rec.Columns() {
			if c.row[k] = ""; !a.IsNull(i) {
				c.row[k] = cell(a, i)
			}
		}
		if err := out.Write(c.row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// end breaks the connection off where the rows are not all, so that nobody takes a part for the whole.
func (c *csvAnswer) end(w io.Writer, failed error) error {
	if failed != nil {
		panic(http.ErrAbortHandler)
	}
	if c.begun {
		return nil
	}
	out := csv.NewWriter(w)
	err := out.Write(c.row)
	out.Flush()
	return errors.Join(err, out.Error())
}

// jsonAnswer is Kylin's. The rows come first: whether a sum fits Kylin's BIGINT is known behind them.
type jsonAnswer struct {
	a     *asked
	line  []byte
	begun bool
	n     int64
	wide  []bool // a column has a value that no BIGINT holds
}

func newJSONAnswer(a *asked) *jsonAnswer { return &jsonAnswer{a: a, wide: make([]bool, len(a.labels))} }

func (j *jsonAnswer) media() string { return "application/json;charset=UTF-8" }

func (j *jsonAnswer) rows(w io.Writer, r part) error {
	if err := j.begin(w); err != nil {
		return err
	}
	for i := r.from; i < r.to; i++ {
		j.line = append(j.line[:0], '[')
		if j.n > 0 {
			j.line = append(j.line[:0], ",["...)
		}
		for k, a := range r.rec.Columns() {
			if k > 0 {
				j.line = append(j.line, ',')
			}
			if a.IsNull(i) {
				j.line = append(j.line, "null"...)
				continue
			}
			if d, ok := a.(*array.Decimal128); ok {
				v := d.Value(i)
				j.wide[k] = j.wide[k] || v.HighBits() != int64(v.LowBits())>>63
			}
			j.line = appendText(j.line, cell(a, i))
		}
		j.n++
		if _, err := w.Write(append(j.line, ']')); err != nil {
			return err
		}
	}
	return nil
}

func (j *jsonAnswer) begin(w io.Writer) error {
	if j.begun {
		return nil
	}
	j.begun = true
	_, err := io.WriteString(w, `{"results":[`)
	return err
}

// appendText appends a string as JSON.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			text, err := json.Marshal(s)
			if err != nil {
				panic("K1: a string has no JSON: " + err.Error())
			}
			return append(b, text...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// answerJSON is what Kylin says of an answer besides its rows.
type answerJSON struct {
	ColumnMetas       []columnMeta `json:"columnMetas"`
	Cube              *string      `json:"cube"`
	AffectedRowCount  int          `json:"affectedRowCount"`
	IsException       bool         `json:"isException"`
	ExceptionMessage  *string      `json:"exceptionMessage"`
	Duration          int64        `json:"duration"`
	Partial           bool         `json:"partial"`
	TotalScanCount    int64        `json:"totalScanCount"`
	TotalScanBytes    int64        `json:"totalScanBytes"`
	HitExceptionCache bool         `json:"hitExceptionCache"`
	StorageCacheUsed  bool         `json:"storageCacheUsed"`
	PushDown          bool         `json:"pushDown"` // a part was answered from events
	TraceURL          *string      `json:"traceUrl"`
}

// end closes the text. One that fails in its midst says so by isException, which clients take for an error too.
func (j *jsonAnswer) end(w io.Writer, failed error) error {
	if err := j.begin(w); err != nil {
		return err
	}
	out := answerJSON{ColumnMetas: []columnMeta{}, Duration: time.Since(j.a.began).Milliseconds(), StorageCacheUsed: j.a.answer.Cached}
	for i, f := range j.a.answer.Schema.Fields() {
		out.ColumnMetas = append(out.ColumnMetas, metaOf(j.a.labels[i], f.Type, j.wide[i]))
	}
	var cubes []string
	out.PushDown = len(j.a.answer.Tables) > 0 && len(j.a.answer.Blocks) == 0
	for _, t := range j.a.answer.Tables {
		out.Partial = out.Partial || t.Completeness.Partial() || len(t.Completeness.Elsewhere) > 0
	}
	for _, b := range j.a.answer.Blocks {
		out.TotalScanCount += b.Cells
		if name := "CUBE[name=" + b.Cube + "]"; b.Cube == "" {
			out.PushDown = true
		} else if !slices.Contains(cubes, name) {
			cubes = append(cubes, name)
		}
	}
	if cubes != nil {
		all := strings.Join(cubes, ",")
		out.Cube = &all
	}
	if failed != nil {
		text := strings.ReplaceAll(failed.Error(), "\n", "; ")
		out.IsException, out.ExceptionMessage = true, &text
	}
	tail, err := json.Marshal(out)
	if err != nil {
		return err
	}
	_, err = w.Write(append(append([]byte("],"), tail[1:]...), '\n'))
	return err
}
