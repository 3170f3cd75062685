package auth

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// buckets count failed attempts by key: one more fits every so often, up to burst at once (A4).
type buckets struct {
	burst float64
	every time.Duration
	limit int // how many keys are told apart

	mu     sync.Mutex
	keys   map[string]*bucket
	others bucket // of all keys beyond the limit
	swept  time.Time
}

// bucket holds how many attempts were spent at a time; they come back one by one.
type bucket struct {
	spent float64
	at    time.Time
}

func (b *buckets) left(x *bucket, now time.Time) float64 {
	return max(0, x.spent-float64(now.Sub(x.at))/float64(b.every))
}

// take spends one attempt. Where none is left it returns how long it takes until one is.
func (b *buckets) take(now time.Time, key string) (wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	x := b.bucket(now, key)
	spent := b.left(x, now)
	if spent+1 > b.burst {
		return time.Duration((spent + 1 - b.burst) * float64(b.every))
	}
	x.spent, x.at = spent+1, now
	return 0
}

// give returns what take has spent.
func (b *buckets) give(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	x := b.keys[key]
	if x == nil {
		x = &b.others
	}
	x.spent = max(0, x.spent-1)
}

// bucket finds that of a key. Those from which nothing is spent any more are forgotten when room is needed, at most once
// in the time that one attempt takes to come back.
func (b *buckets) bucket(now time.Time, key string) *bucket {
	if x := b.keys[key]; x != nil {
		return x
	}
	if len(b.keys) >= b.limit && now.Sub(b.swept) >= b.every {
		b.swept = now
		for k, x := range b.keys {
			if b.left(x, now) == 0 {
				delete(b.keys, k)
			}
		}
	}
	if len(b.keys) >= b.limit {
		return &b.others
	}
	x := &bucket{spent: b.left(&b.others, now), at: now} // it may have spent that itself
	b.keys[key] = x
	return x
}

func (b *buckets) size() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.keys)
}

// addressKey is what one peer is counted by: an IPv4 address, or the /64 that a network hands to one host of IPv6.
func addressKey(from string) string {
	host, _, err := net.SplitHostPort(from)
	if err != nil {
		host = from
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return ""
	}
	if ip = ip.Unmap().WithZone(""); ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.String()
		}
	}
	return ip.String()
}
