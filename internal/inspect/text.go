package inspect

import (
	"fmt"
	"io"
	"math/big"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/pages"
)

// maxText is the most bytes of a string that a row shows.
const maxText = 60

func typeText(f *pages.Field) string {
	if f.Binary() {
		return "bytes"
	}
	if f.Type.Kind == cube.Timestamp {
		return "timestamp(us)" // in files, however events write it
	}
	return f.Type.String()
}

func timeText(us int64) string { return time.UnixMicro(us).UTC().Format(time.RFC3339Nano) }

// valueText returns a value as people read it; nil: null.
func valueText(f *pages.Field, c *pages.Column, i int) *string {
	if c.IsNull(i) {
		return nil
	}
	var s string
	switch {
	case f.Binary():
		s = fmt.Sprintf("%d bytes", len(c.Bytes(i)))
	case f.Type.Kind == cube.Decimal:
		s = decimalText(c, i, f.Type.Scale)
	case f.Type.Kind == cube.Timestamp:
		s = timeText(c.Int(i))
	case f.Type.Kind == cube.Date:
		s = time.Unix(c.Int(i)*86400, 0).UTC().Format(time.DateOnly)
	case f.Type.Kind == cube.Bool:
		s = strconv.FormatBool(c.Int(i) != 0)
	case c.Kind == pages.Float64:
		s = strconv.FormatFloat(c.Float(i), 'g', -1, 64)
	case c.Kind == pages.Bytes:
		v := c.Bytes(i)
		s = strconv.Quote(string(v[:min(len(v), maxText)]))
		if len(v) > maxText {
			s += fmt.Sprintf("... (%d bytes)", len(v))
		}
	default:
		s = strconv.FormatInt(c.Int(i), 10)
	}
	return &s
}

func decimalText(c *pages.Column, i, scale int) string {
	n := big.NewInt(0)
	if c.Kind == pages.Decimal128 {
		v := c.Bytes(i)
		n.SetBytes(v)
		if v[0]&0x80 != 0 {
			n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(v))))
		}
	} else {
		n.SetInt64(c.Int(i))
	}
	sign := ""
	if n.Sign() < 0 {
		sign = "-"
		n.Neg(n)
	}
	digits := n.String()
	if scale == 0 {
		return sign + digits
	}
	if len(digits) <= scale {
		digits = strings.Repeat("0", scale+1-len(digits)) + digits
	}
	return sign + digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
}

// Text writes the report for people.
func (r *Report) Text(w io.Writer) error {
	out := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	kind := r.Kind + " file"
	if r.Kind == kindTable {
		kind = "table of HBase"
	}
	fmt.Fprintf(out, "%s: %s of %d bytes, %d row groups\n", r.File, kind, r.Bytes, len(r.RowGroups))
	if f := r.Footer; f != nil {
		fmt.Fprintf(out, "  table\t%s/%s (%s), schema %d, topic %s\n", f.Project, f.Table, f.TableID, f.Schema, f.Topic)
		fmt.Fprintf(out, "  range\t%s, epoch %d\n", f.Range, f.Epoch)
		fmt.Fprintf(out, "  events\t%d, %d exceptions, row hash %s\n", f.Events, len(f.Exceptions), f.RowHash)
		fmt.Fprintf(out, "  times\t%s to %s\n", timeText(f.MinTimeUs), timeText(f.MaxTimeUs))
		fmt.Fprintf(out, "  writer\t%s, format %d\n", f.Writer, f.FormatVersion)
	}
	if h := r.Header; h != nil {
		fmt.Fprintf(out, "  writer\t%s, format %d\n", h.Writer, h.FormatVersion)
	}
	fmt.Fprintf(out, "\nCOLUMN\tTYPE\n")
	for _, c := range r.Columns {
		fmt.Fprintf(out, "%s\t%s\n", c.Name, c.Type)
	}
	if r.Header == nil {
		fmt.Fprintf(out, "\nROWS\tFIRST OFFSET\tLAST OFFSET\tFROM\tTO\n")
		for _, g := range r.RowGroups {
			fmt.Fprintf(out, "%d\t%d\t%d\t%s\t%s\n", g.Rows, *g.FirstOffset, *g.LastOffset, g.MinTime, g.MaxTime)
		}
	} else {
		fmt.Fprintf(out, "\nCUBOID\tROW GROUPS\tROWS\tBYTES\tDIMENSIONS\n")
		for _, c := range r.Cuboids {
			fmt.Fprintf(out, "%d\t%d\t%d\t%d\t%s\n", c.Cuboid, c.RowGroups, c.Rows, c.Bytes, strings.Join(c.Dimensions, ","))
		}
	}
	for i, row := range r.Rows {
		at := ""
		if row.Cuboid != nil {
			at = fmt.Sprintf(" (cuboid %d)", *row.Cuboid)
		}
		fmt.Fprintf(out, "\nrow %d%s\n", i, at)
		for k, v := range row.Values {
			switch {
			case v != nil:
				fmt.Fprintf(out, "  %s\t%s\n", r.Columns[k].Name, *v)
			case row.Cuboid == nil || r.has(*row.Cuboid, k):
				fmt.Fprintf(out, "  %s\tnull\n", r.Columns[k].Name)
			}
		}
	}
	return out.Flush()
}

// has reports whether column k of a cuboid file is one that a cuboid has: a dimension that it lacks says nothing.
func (r *Report) has(mask int64, k int) bool {
	n := len(r.Header.Dimensions)
	return k >= n || mask>>(n-1-k)&1 == 1
}
