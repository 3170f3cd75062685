package catalog

import (
	"context"
	"iter"
)

// Garbage is an object, or a folder of objects, that nothing named when clean-up looked.
type Garbage struct {
	Key      string // ends in "/": a folder
	Reason   string
	MarkedUs int64
}

// MarkGarbage notes what a pass of clean-up found unreferenced. What is marked already keeps its time, so that the grace
// period counts from the first pass (I11).
func (c *Catalog) MarkGarbage(ctx context.Context, list []Garbage) error {
	return c.write(ctx, "mark garbage", func(t *tx) error {
		at := now()
		for _, g := range list {
			if _, err := t.exec(`INSERT INTO garbage (object_key, reason, marked_us) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
				g.Key, g.Reason, at); err != nil {
				return err
			}
		}
		return nil
	})
}

// Garbage yields what was marked at or before a time, by key. It holds a database connection until the loop ends.
func (c *Catalog) Garbage(ctx context.Context, beforeUs int64) iter.Seq2[Garbage, error] {
	return func(yield func(Garbage, error) bool) {
		stopped := false
		err := c.scan(ctx, "list garbage", func(t *tx) error {
			return t.each(func(scan func(...any) error) error {
				var g Garbage
				if err := scan(&g.Key, &g.Reason, &g.MarkedUs); err != nil {
					return err
				}
				if !yield(g, nil) {
					stopped = true
					return errStop
				}
				return nil
			}, `SELECT object_key, reason, marked_us FROM garbage WHERE marked_us <= $1 ORDER BY object_key`, beforeUs)
		})
		if err != nil && !stopped {
			yield(Garbage{}, err)
		}
	}
}

// UnmarkGarbage forgets marks: the objects are gone, or something names them again.
func (c *Catalog) UnmarkGarbage(ctx context.Context, keys []string) error {
	return c.write(ctx, "unmark garbage", func(t *tx) error {
		for _, key := range keys {
			if _, err := t.exec(`DELETE FROM garbage WHERE object_key = $1`, key); err != nil {
				return err
			}
		}
		return nil
	})
}
