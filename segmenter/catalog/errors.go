package catalog

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/tidemarkdb/tidemark/segmenter"
)

var (
	// ErrNotFound is in the chain of errors that name a project, table, version or request which does not exist.
	ErrNotFound = errors.New("not found")

	// ErrUnavailable is in the chain when the database did not answer, or not in time. The outcome of a change is then
	// unknown: ask again, see C3.
	ErrUnavailable = errors.New("catalog database is unavailable")
)

// StaleEpochError refuses a change because the partition has another owner by now (I3). Nothing of it is visible.
type StaleEpochError struct {
	TableID   string
	Partition int32
	Epoch     int64 // the caller's
	Current   int64
}

func (e *StaleEpochError) Error() string {
	return fmt.Sprintf("table %s p%d: epoch %d is stale, the partition was taken over under epoch %d",
		e.TableID, e.Partition, e.Epoch, e.Current)
}

// NotContiguousError refuses rows that do not continue the ledger. Nothing of them is visible.
type NotContiguousError struct {
	TableID string
	Got     segmenter.PartitionRange
	Want    segmenter.PartitionRange // an empty range: the offset where Got must start (Prepend: end); else what it must tile
}

func (e *NotContiguousError) Error() string {
	if e.Want.Empty() {
		return fmt.Sprintf("table %s: %s does not meet the ledger at g%d offset %d", e.TableID, e.Got, e.Want.Generation, e.Want.Start)
	}
	return fmt.Sprintf("table %s: %s does not tile whole ledger rows of %s", e.TableID, e.Got, e.Want)
}

// OverlapError refuses a reservation, since the cube has a segment over some of its offsets already (S1).
type OverlapError struct {
	CubeID string
	Range  segmenter.PartitionRange // what was asked
	Has    segmenter.PartitionRange // what the other segment holds
	Number int64                    // of the other segment
	State  segmenter.SegmentState   // of the other segment: new or ready
}

func (e *OverlapError) Error() string {
	what := "refresh or drop it instead"
	if e.State == segmenter.SegmentNew {
		what = "wait for its job, or cancel it"
	}
	return fmt.Sprintf("cube %s: %s overlaps %s of segment %d, which is %s: %s", e.CubeID, e.Range, e.Has, e.Number, e.State, what)
}

// StaleJobError refuses a caller that does not run the job any more: it was taken over, paused or ended. Nothing of the
// change is visible.
type StaleJobError struct {
	JobID   int64
	Epoch   int64 // the caller's
	Current int64
	State   JobState
	Problem string // of the job
}

func (e *StaleJobError) Error() string {
	if e.Epoch != e.Current {
		return fmt.Sprintf("job %d: epoch %d is stale, the job was taken over under epoch %d", e.JobID, e.Epoch, e.Current)
	}
	text := fmt.Sprintf("job %d is %s and not running", e.JobID, e.State)
	if e.Problem != "" {
		text += ": " + e.Problem
	}
	return text
}

// ConflictError refuses a change that contradicts what is committed; Reason says what, and what to do instead.
type ConflictError struct {
	What   string // "table default/pageviews", "file staged/..."
	Reason string
}

func (e *ConflictError) Error() string { return e.What + ": " + e.Reason }

// NewerVersionError refuses a catalog that a newer program has migrated.
type NewerVersionError struct {
	Catalog int64 // version of the catalog's schema
	Known   int64 // newest version that this program knows
}

func (e *NewerVersionError) Error() string {
	return fmt.Sprintf("the catalog has schema version %d and this program knows versions up to %d: "+
		"run the newer program that migrated it, or restore a backup made before", e.Catalog, e.Known)
}

// wrap names the call and tells apart what may be asked again. ctx is the caller's, without the call's own time limit.
func wrap(ctx context.Context, what string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && !refused(err):
		return fmt.Errorf("catalog: %s: %w", what, context.Cause(ctx))
	case unavailable(err):
		return fmt.Errorf("catalog: %s: %w: %w", what, ErrUnavailable, err)
	}
	return fmt.Errorf("catalog: %s: %w", what, err)
}

// refused reports whether err is an answer of the catalog itself rather than of the database.
func refused(err error) bool {
	var stale *StaleEpochError
	var gap *NotContiguousError
	var conflict *ConflictError
	var overlap *OverlapError
	var job *StaleJobError
	return errors.Is(err, ErrNotFound) || errors.Is(err, ErrDictionaryMoved) || errors.As(err, &stale) || errors.As(err, &gap) || errors.As(err, &conflict) ||
		errors.As(err, &overlap) || errors.As(err, &job)
}

func unavailable(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code {
		case "40001", "40P01", // serialization failure, deadlock: the other one won
			"55P03", "57014", // lock or statement time limit
			"57P01", "57P02", "57P03", "57P05", "25P03", // shut down, starting, idle too long
			"53000", "53100", "53200", "53300": // out of disk, memory or connections
			return true
		}
		return strings.HasPrefix(pg.Code, "08") || strings.HasPrefix(pg.Code, "58")
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		switch lite.Code() & 0xff {
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_INTERRUPT:
			return true
		}
		return false
	}
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || pgconn.SafeToRetry(err) || errors.Is(err, pgconn.ErrConnClosed) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, sql.ErrTxDone) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, context.DeadlineExceeded)
}
