package catalog

import (
	"context"
	"fmt"
	"testing"
)

// BenchmarkCommit measures one staged file after another, by one caller: what a roll waits for. rows is how many rows the
// ledger holds before; the cost must not depend on it (C7).
func BenchmarkCommit(b *testing.B) {
	for _, be := range backends() {
		for _, rows := range []int64{0, 5000} {
			b.Run(fmt.Sprintf("%s/rows=%d", be.name, rows), func(b *testing.B) {
				c, table, epoch := filled(b, be.dsn(b), rows)
				at := rows
				for b.Loop() {
					mustCommit(b, c, staged(table, epoch, rng(0, at, at+1)))
					at++
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "files/s")
			})
		}
	}
}

// BenchmarkResume measures what a new owner of a partition asks.
func BenchmarkResume(b *testing.B) {
	for _, be := range backends() {
		for _, rows := range []int64{0, 5000} {
			b.Run(fmt.Sprintf("%s/rows=%d", be.name, rows), func(b *testing.B) {
				c, table, _ := filled(b, be.dsn(b), rows)
				for b.Loop() {
					if _, err := c.Assign(context.Background(), Claim{TableID: table}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// filled is a table whose ledger has rows of one offset each, put there in one transaction.
func filled(b *testing.B, dsn string, rows int64) (c *Catalog, table string, epoch int64) {
	c = openAt(b, dsn)
	table, epoch = begun(b, c, 0)
	if rows == 0 {
		return c, table, epoch
	}
	var list []Commit
	for i := range rows {
		list = append(list, staged(table, epoch, rng(0, i, i+1)))
	}
	c.opts.CallTimeout = c.opts.ScanTimeout // so many rows at once are the benchmark's doing only
	err := c.write(context.Background(), "fill", func(t *tx) error {
		p, err := t.lockPartition(table, 0)
		if err != nil {
			return err
		}
		for _, m := range list {
			if err := t.append(p, m); err != nil {
				return err
			}
		}
		return t.save(p)
	})
	if err != nil {
		b.Fatal(err)
	}
	return c, table, epoch
}
