package hbase

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tidemarkdb/tidemark/builder/cuboid"
)

// row is a row of a table.
type row struct {
	key   []byte
	value []byte
}

// change is what is done to a whole table.
type change int

const (
	disable change = iota
	enable
	remove // a disabled one
)

// tableState is what the master says of a table.
type tableState struct {
	regions  int
	disabled bool // or about to be
}

var (
	errExists   = errors.New("the table is there already")
	errNotFound = errors.New("there is no such table")
	errDisabled = errors.New("the table is disabled")
	errState    = errors.New("the table has this state already")
)

// server is HBase, one try of each call. Every call ends when its context does.
type server interface {
	// create makes a table whose regions begin at splits; errExists.
	create(ctx context.Context, table string, splits [][]byte) error

	// put writes rows, over what is there, and returns those that it does not know to be written, with the error of one.
	put(ctx context.Context, table string, rows []row) (rest []row, err error)

	// scan gives the rows from a key up to another, which is not included, in order, until take returns an error.
	scan(ctx context.Context, table string, from, to []byte, take func(r row) error) error

	// alter changes a table; errNotFound, errState.
	alter(ctx context.Context, table string, what change) error

	// tables says what is known of each table whose name has the prefix. A scan of a disabled table, and a put, would wait for
	// their deadline: this is how one knows before.
	tables(ctx context.Context, prefix string) (map[string]tableState, error)
}

// permanent reports whether another try is of no use.
func permanent(err error) bool {
	var format *cuboid.FormatError
	for _, e := range []error{errExists, errNotFound, errDisabled, errState, errStop} {
		if errors.Is(err, e) {
			return true
		}
	}
	if errors.As(err, &format) {
		return true
	}
	for _, class := range []string{"AccessDeniedException", "NoSuchColumnFamilyException", "IllegalArgumentException", "RequestTooBigException"} {
		if strings.Contains(err.Error(), class) {
			return true
		}
	}
	return false
}

// damaged says that what a table holds is not what this package writes. Nothing of it is tried again.
func damaged(table, format string, args ...any) error {
	return &cuboid.FormatError{Key: Key(table), Err: fmt.Errorf(format, args...)}
}

// Key is how a table is named where files are.
func Key(table string) string { return "hbase:" + table }

// short cuts the Java trace off a server's error.
func short(err error) error {
	text := err.Error()
	first, _, cut := strings.Cut(text, "\n")
	if !cut && len(text) <= maxErrorText {
		return err
	}
	return &shortError{first[:min(len(first), maxErrorText)], err}
}

const maxErrorText = 300

type shortError struct {
	text string
	err  error
}

func (e *shortError) Error() string { return e.text }
func (e *shortError) Unwrap() error { return e.err }
