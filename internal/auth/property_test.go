package auth

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A4: in no window does a key have more attempts than the burst and those that came back in it, and one that is refused is
// let in once the time that it was told is over.
func TestBucketsProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := &buckets{
			burst: float64(rapid.IntRange(1, 5).Draw(t, "burst")), every: time.Duration(rapid.IntRange(1, 20).Draw(t, "every")) * time.Second,
			limit: rapid.IntRange(1, 3).Draw(t, "limit"), keys: map[string]*bucket{},
		}
		now := time.Unix(0, 0)
		let := map[string][]time.Time{}
		for range rapid.IntRange(1, 60).Draw(t, "attempts") {
			now = now.Add(time.Duration(rapid.IntRange(0, 30_000).Draw(t, "ms")) * time.Millisecond)
			key := fmt.Sprint(rapid.IntRange(0, 5).Draw(t, "key"))
			wait := b.take(now, key)
			if wait > 0 {
				if x := b.bucket(now, key); b.left(x, now.Add(wait+time.Nanosecond))+1 > b.burst+1e-6 {
					t.Fatalf("A4: key %s is refused for %s and has %v of %v spent then", key, wait, b.left(x, now.Add(wait)), b.burst)
				}
				continue
			}
			let[key] = append(let[key], now)
			for i, from := range let[key] {
				n, most := len(let[key])-i, b.burst+now.Sub(from).Seconds()/b.every.Seconds()
				if float64(n) > most+1e-6 {
					t.Fatalf("A4: key %s was let in %d times within %s, at most %v", key, n, now.Sub(from), most)
				}
			}
			if len(b.keys) > b.limit {
				t.Fatalf("A4: %d keys, at most %d", len(b.keys), b.limit)
			}
		}
	})
}
