package run

import (
	"container/list"
	"sync"
)

// lru keeps values up to a number of bytes; those asked for last stay.
type lru[K comparable, V any] struct {
	limit   int64
	dropped func(bytes int64) // under the lock

	mu    sync.Mutex
	bytes int64
	items map[K]*list.Element // of *lruItem
	order list.List           // the one asked for last in front
}

type lruItem[K comparable, V any] struct {
	key   K
	value V
	bytes int64
}

func newLRU[K comparable, V any](limit int64, dropped func(bytes int64)) *lru[K, V] {
	return &lru[K, V]{limit: limit, dropped: dropped, items: map[K]*list.Element{}}
}

func (l *lru[K, V]) get(k K) (v V, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.items[k]
	if !ok {
		return v, false
	}
	l.order.MoveToFront(e)
	return e.Value.(*lruItem[K, V]).value, true
}

// put keeps a value, in place of the key's last one, if it fits at all.
func (l *lru[K, V]) put(k K, v V, bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.items[k]; ok {
		l.remove(e)
	}
	if bytes > l.limit {
		return
	}
	l.items[k] = l.order.PushFront(&lruItem[K, V]{k, v, bytes})
	l.bytes += bytes
	for l.bytes > l.limit {
		e := l.order.Back()
		n := e.Value.(*lruItem[K, V]).bytes
		l.remove(e)
		l.dropped(n)
	}
}

func (l *lru[K, V]) remove(e *list.Element) {
	it := e.Value.(*lruItem[K, V])
	l.order.Remove(e)
	delete(l.items, it.key)
	l.bytes -= it.bytes
}

// size returns the bytes that are kept.
func (l *lru[K, V]) size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bytes
}
