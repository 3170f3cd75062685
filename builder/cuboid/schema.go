package cuboid

import (
	"encoding/json"
	"fmt"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/pages"
)

// FormatVersion is the version of cuboid files.
const FormatVersion = 1

// WriterVersion names the writer in files.
const WriterVersion = "tidemark version 1 (build cuboid)"

// MaskColumn holds the bit set of dimensions of a row's cuboid.
const MaskColumn = "_cuboid"

// headerKey is the key of a file's Header in its key-value metadata.
const headerKey = "tidemark.cuboids"

// Header says what the columns of a cuboid file are. They follow _cuboid: the dimensions, then the columns of the
// measures' states.
type Header struct {
	FormatVersion int             `json:"format_version"`
	Writer        string          `json:"writer"`
	Dimensions    []HeaderDim     `json:"dimensions"`
	Measures      []HeaderMeasure `json:"measures"`
}

// HeaderDim is a dimension, in the order of the row key: bit n-1-i of a cuboid's set is dimension i of n.
type HeaderDim struct {
	pages.Field
	Column string
	Grain  cube.Grain
}

// headerDimJSON is how a dimension stands in files.
type headerDimJSON struct {
	Name   string          `json:"name"`
	Column string          `json:"column"` // of the table
	Grain  cube.Grain      `json:"grain,omitempty"`
	Field  json.RawMessage `json:"field"`
}

// MarshalJSON writes the form that stands in files.
func (d HeaderDim) MarshalJSON() ([]byte, error) {
	field, err := d.Field.MarshalJSON()
	if err != nil {
		return nil, err
	}
	return json.Marshal(headerDimJSON{d.Name, d.Column, d.Grain, field})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (d *HeaderDim) UnmarshalJSON(b []byte) error {
	var x headerDimJSON
	if err := json.Unmarshal(b, &x); err != nil {
		return err
	}
	d.Column, d.Grain = x.Column, x.Grain
	return d.Field.UnmarshalJSON(x.Field)
}

// HeaderMeasure is a measure and the columns that hold its states.
type HeaderMeasure struct {
	Name     string        `json:"name"`
	Function cube.Function `json:"function"`
	Fields   []pages.Field `json:"fields"`
}

// NewHeader returns the header of files of a layout. The error says which name two columns would have.
func NewHeader(l *cells.Layout) (*Header, error) {
	h := &Header{FormatVersion: FormatVersion, Writer: WriterVersion, Dimensions: []HeaderDim{}, Measures: []HeaderMeasure{}}
	for _, d := range l.Dims {
		h.Dimensions = append(h.Dimensions, HeaderDim{pages.Field{Name: d.Name, Kind: d.Kind, Type: d.Type}, d.Column, d.Grain})
	}
	for i := range l.Measures {
		m := &l.Measures[i]
		hm := HeaderMeasure{Name: m.Name, Function: m.Function}
		for _, c := range m.Columns() {
			hm.Fields = append(hm.Fields, pages.Field{Name: c.Name, Kind: c.Kind, Type: c.Type})
		}
		h.Measures = append(h.Measures, hm)
	}
	return h, h.Validate()
}

// Validate guards the border: a header also comes out of files and tables.
func (h *Header) Validate() error {
	if h.FormatVersion != FormatVersion {
		return fmt.Errorf("format version %d, this program reads %d: use the tidemark that wrote it (%s) or a newer one", h.FormatVersion, FormatVersion, h.Writer)
	}
	if len(h.Dimensions) > cube.MaxDimensions {
		return fmt.Errorf("%d dimensions, at most %d", len(h.Dimensions), cube.MaxDimensions)
	}
	seen := map[string]bool{MaskColumn: true}
	for i, f := range h.Fields() {
		if f.Name == "" || seen[f.Name] {
			return fmt.Errorf("column %d: the name %q is empty or taken", i, f.Name)
		}
		seen[f.Name] = true
		if err := f.Validate(); err != nil {
			return err
		}
	}
	return nil
}

// Fields returns the columns behind _cuboid.
func (h *Header) Fields() (all []pages.Field) {
	for _, d := range h.Dimensions {
		all = append(all, d.Field)
	}
	for _, m := range h.Measures {
		all = append(all, m.Fields...)
	}
	return all
}

// leaves returns all columns of a file.
func (h *Header) leaves() []pages.Leaf {
	all := []pages.Leaf{pages.Required(MaskColumn)}
	for _, f := range h.Fields() {
		all = append(all, f.Leaf())
	}
	return all
}

// json returns the form that stands in files.
func (h *Header) json() ([]byte, error) { return json.Marshal(h) }

// parseHeader reads the form that stands in files.
func parseHeader(text []byte) (*Header, error) {
	h := new(Header)
	if err := json.Unmarshal(text, h); err != nil {
		return nil, err
	}
	return h, h.Validate()
}

// Names returns the dimensions of a cuboid, in row-key order.
func (h *Header) Names(mask uint64) []string {
	names := []string{}
	for i, d := range h.Dimensions {
		if mask>>(len(h.Dimensions)-1-i)&1 == 1 {
			names = append(names, d.Name)
		}
	}
	return names
}
