package query

import (
	"container/list"
	"sync"
)

// lru keeps the values that were asked for last.
type lru[K comparable, V any] struct {
	limit int

	mu    sync.Mutex
	items map[K]*list.Element
	order list.List // of entry[K, V], the one asked for last in front
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

func newLRU[K comparable, V any](limit int) *lru[K, V] {
	return &lru[K, V]{limit: limit, items: map[K]*list.Element{}}
}

func (l *lru[K, V]) get(key K) (v V, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, ok := l.items[key]
	if !ok {
		return v, false
	}
	l.order.MoveToFront(at)
	return at.Value.(entry[K, V]).value, true
}

// put keeps a value, and returns the one that is kept: another's, where that came first.
func (l *lru[K, V]) put(key K, v V) V {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at, ok := l.items[key]; ok {
		return at.Value.(entry[K, V]).value
	}
	l.items[key] = l.order.PushFront(entry[K, V]{key, v})
	for l.order.Len() > l.limit {
		delete(l.items, l.order.Remove(l.order.Back()).(entry[K, V]).key)
	}
	return v
}

// replace keeps a value in the place of another one.
func (l *lru[K, V]) replace(key K, v V) {
	l.mu.Lock()
	if at, ok := l.items[key]; ok {
		l.order.Remove(at)
		delete(l.items, key)
	}
	l.mu.Unlock()
	l.put(key, v)
}
