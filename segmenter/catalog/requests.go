package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// RollRequest asks the owner of a partition to stage and commit what it has read.
type RollRequest struct {
	ID        int64
	TableID   string
	Partition int32 // -1 in RequestRoll: every partition that was ever assigned. RollRequests names each on its own
	// Generation is the partition's when it was asked: a partition that has come to a later one has nothing to stage of it.
	// RollRequests sets it.
	Generation int32
	UpTo       int64 // committed up to here is enough; 0: whatever is there
	Job        int64 // that waits for it, by RequestJobRolls; 0: none
}

// jobShare is the part of Options.MaxRequests that one job may have pending: what it asks for beyond is staged when it is
// old or large enough, as it would be without.
const jobShare = 10

// RequestRoll files a request and returns its id. Pending requests are limited (Options.MaxRequests).
func (c *Catalog) RequestRoll(ctx context.Context, r RollRequest) (id int64, err error) {
	if r.Partition < -1 || r.UpTo < 0 || (r.Partition == -1 && r.UpTo != 0) {
		return 0, fmt.Errorf("catalog: request roll: partition %d up to %d: want one partition, or -1 and no offset", r.Partition, r.UpTo)
	}
	err = c.write(ctx, "request roll of table "+r.TableID, func(t *tx) error {
		if err := t.wantLive(r.TableID); err != nil {
			return err
		}
		if err := t.roomFor(`SELECT COUNT(*) FROM (SELECT 1 FROM roll_requests LIMIT $1) AS pending`, "roll requests"); err != nil {
			return err
		}
		if id, err = t.nextID(); err != nil {
			return err
		}
		n, err := t.exec(`INSERT INTO roll_requests (id, table_id, partition, generation, up_to, created_us)
			SELECT $1, p.table_id, p.partition, p.generation, $2, $3 FROM partitions p WHERE p.table_id = $4 AND ($5 = -1 OR p.partition = $5)`,
			id, r.UpTo, now(), r.TableID, r.Partition)
		if err == nil && n == 0 && r.Partition >= 0 {
			return fmt.Errorf("table with id %s, partition %d: %w", r.TableID, r.Partition, ErrNotFound)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return id, nil
}

// RequestJobRolls asks for what a job waits for: that each line of missing is committed up to its end. It takes the place of
// what the job asked for before, ends with the job, and leaves out lines beyond the job's share of what may be pending, a
// tenth of Options.MaxRequests. It returns how many lines were asked for. A job without a reservation waits for nothing any
// more: a *StaleJobError.
func (c *Catalog) RequestJobRolls(ctx context.Context, job int64, tableID string, missing segmenter.Vector) (asked int, err error) {
	err = c.write(ctx, fmt.Sprintf("request rolls for job %d", job), func(t *tx) error {
		asked = 0
		if err := t.wantLive(tableID); err != nil {
			return err
		}
		j, err := t.lockJob(job)
		if err != nil {
			return err
		}
		if !j.Reserved {
			return &StaleJobError{JobID: job, Epoch: j.Epoch, Current: j.Epoch, State: j.State, Problem: j.Problem}
		}
		if err := t.withdrawRolls(job); err != nil {
			return err
		}
		if err := t.roomFor(`SELECT COUNT(*) FROM (SELECT 1 FROM roll_requests LIMIT $1) AS pending`, "roll requests"); err != nil {
			return err
		}
		id, err := t.nextID()
		if err != nil {
			return err
		}
		for _, line := range missing.Ends() {
			if asked >= max(1, t.c.opts.MaxRequests/jobShare) {
				break
			}
			n, err := t.exec(`INSERT INTO roll_requests (id, table_id, partition, generation, up_to, job_id, created_us)
				SELECT $1, p.table_id, p.partition, p.generation, $2, $3, $4 FROM partitions p
				WHERE p.table_id = $5 AND p.partition = $6 AND p.generation = $7`,
				id, line.End, job, now(), tableID, line.Partition, line.Generation)
			if err != nil {
				return err
			}
			asked += int(n)
		}
		return nil
	})
	return asked, err
}

// withdrawRolls forgets what a job has asked for.
func (t *tx) withdrawRolls(job int64) error {
	_, err := t.exec(`DELETE FROM roll_requests WHERE job_id = $1 AND job_id > 0`, job)
	return err
}

// roomFor refuses a request when as many are pending as Options.MaxRequests allows (I10).
func (t *tx) roomFor(count, what string) error {
	var n int
	if err := t.row(count, t.c.opts.MaxRequests).Scan(&n); err != nil {
		return err
	}
	if n >= t.c.opts.MaxRequests {
		return &ConflictError{What: what, Reason: fmt.Sprintf("%d are pending, which is the limit: is an ingest process running?", n)}
	}
	return nil
}

// RollRequests lists what is pending, oldest first, each partition on its own.
func (c *Catalog) RollRequests(ctx context.Context) (list []RollRequest, err error) {
	err = c.read(ctx, "list roll requests", func(t *tx) error {
		list = nil
		return t.each(func(scan func(...any) error) error {
			var r RollRequest
			err := scan(&r.ID, &r.TableID, &r.Partition, &r.Generation, &r.UpTo, &r.Job)
			list = append(list, r)
			return err
		}, `SELECT id, table_id, partition, generation, up_to, job_id FROM roll_requests ORDER BY id, partition`)
	})
	return list, err
}

// RollPending reports whether a partition has yet to answer a request.
func (c *Catalog) RollPending(ctx context.Context, id int64) (pending bool, err error) {
	err = c.read(ctx, "read roll request", func(t *tx) error {
		return t.row(`SELECT EXISTS (SELECT 1 FROM roll_requests WHERE id = $1)`, id).Scan(&pending)
	})
	return pending, err
}

// FinishRoll ends a request for one partition. One that is finished already is no error.
func (c *Catalog) FinishRoll(ctx context.Context, id int64, partition int32) error {
	return c.write(ctx, fmt.Sprintf("finish roll request %d", id), func(t *tx) error {
		n, err := t.exec(`DELETE FROM roll_requests WHERE id = $1 AND partition = $2`, id, partition)
		if err != nil || n == 0 {
			return err
		}
		return t.bump()
	})
}

// Reread asks the owner of a partition to read whole ledger rows from Kafka again and to Replace them.
type Reread struct {
	ID          int64
	TableID     string
	Range       segmenter.PartitionRange
	RequestedBy string
	Done        bool
	Problem     string // of a done one: what stays as it was, and why; of a pending one: why its last try failed
}

// keepRereads is how many finished re-read requests are kept to be asked for.
const keepRereads = 1000

// RequestReread files a request and returns its id; where the same range is asked for already, that of the one that is pending.
// Whether the range holds whole rows is decided when they are replaced.
func (c *Catalog) RequestReread(ctx context.Context, r Reread) (id int64, err error) {
	err = c.write(ctx, "request re-read of table "+r.TableID, func(t *tx) error {
		r, err := t.requestReread(r)
		id = r.ID
		return err
	})
	if err != nil {
		return 0, err
	}
	return id, nil
}

// requestReread returns the request as it is filed.
func (t *tx) requestReread(r Reread) (Reread, error) {
	if err := r.Range.Validate(); err != nil {
		return r, fmt.Errorf("re-read of %s: %w", r.Range, err)
	}
	if r.Range.Empty() {
		return r, fmt.Errorf("re-read of %s: want a range that holds offsets", r.Range)
	}
	if err := t.wantLive(r.TableID); err != nil {
		return r, err
	}
	x := r.Range
	old, err := scanReread(t.row(selectReread+`done = 0 AND table_id = $1 AND partition = $2 AND generation = $3 AND start_offset = $4
		AND end_offset = $5`, r.TableID, x.Partition, x.Generation, x.Start, x.End).Scan)
	if !errors.Is(err, sql.ErrNoRows) {
		return old, err
	}
	if err := t.roomFor(`SELECT COUNT(*) FROM (SELECT 1 FROM reread_requests WHERE done = 0 LIMIT $1) AS pending`,
		"re-read requests"); err != nil {
		return r, err
	}
	if r.ID, err = t.nextID(); err != nil {
		return r, err
	}
	if _, err := t.exec(`DELETE FROM reread_requests WHERE done = 1 AND id < $1`, r.ID-keepRereads); err != nil {
		return r, err
	}
	_, err = t.exec(`INSERT INTO reread_requests (id, table_id, partition, generation, start_offset, end_offset, requested_by,
		created_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		r.ID, r.TableID, x.Partition, x.Generation, x.Start, x.End, r.RequestedBy, now())
	return r, err
}

const selectReread = `SELECT id, table_id, partition, generation, start_offset, end_offset, requested_by, done, problem
	FROM reread_requests WHERE `

func scanReread(scan func(...any) error) (r Reread, err error) {
	err = scan(&r.ID, &r.TableID, &r.Range.Partition, &r.Range.Generation, &r.Range.Start, &r.Range.End, &r.RequestedBy, &r.Done, &r.Problem)
	return r, err
}

// Rereads lists what is pending, oldest first.
func (c *Catalog) Rereads(ctx context.Context) (list []Reread, err error) {
	err = c.read(ctx, "list re-read requests", func(t *tx) error {
		list = nil
		return t.each(func(scan func(...any) error) error {
			r, err := scanReread(scan)
			list = append(list, r)
			return err
		}, selectReread+`done = 0 ORDER BY id`)
	})
	return list, err
}

// TableRereads lists the requests about a table, done ones included as long as they are kept, oldest first.
func (c *Catalog) TableRereads(ctx context.Context, tableID string) (list []Reread, err error) {
	err = c.read(ctx, "list re-read requests of table "+tableID, func(t *tx) error {
		list = nil
		return t.each(func(scan func(...any) error) error {
			r, err := scanReread(scan)
			list = append(list, r)
			return err
		}, selectReread+`table_id = $1 ORDER BY id`, tableID)
	})
	return list, err
}

// RereadByID returns one request, pending or done. Old done ones are ErrNotFound.
func (c *Catalog) RereadByID(ctx context.Context, id int64) (r Reread, err error) {
	err = c.read(ctx, "read re-read request", func(t *tx) error {
		r, err = scanReread(t.row(selectReread+`id = $1`, id).Scan)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("re-read request %d: %w", id, ErrNotFound)
		}
		return err
	})
	return r, err
}

// NoteReread keeps why the last try of a pending request failed. One that is done stays as it is.
func (c *Catalog) NoteReread(ctx context.Context, id int64, problem string) error {
	return c.write(ctx, fmt.Sprintf("note a failure of re-read request %d", id), func(t *tx) error {
		_, err := t.exec(`UPDATE reread_requests SET problem = $2 WHERE id = $1 AND done = 0`, id, problem)
		return err
	})
}

// FinishReread ends a request; problem is empty where the rows were replaced. One that is done already stays as it is.
func (c *Catalog) FinishReread(ctx context.Context, id int64, problem string) error {
	return c.write(ctx, fmt.Sprintf("finish re-read request %d", id), func(t *tx) error {
		n, err := t.exec(`UPDATE reread_requests SET done = 1, problem = $2 WHERE id = $1 AND done = 0`, id, problem)
		if err != nil || n == 0 {
			return err
		}
		return t.bump()
	})
}
