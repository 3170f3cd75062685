package query

import (
	"container/list"
	"sync"
)

// lru keeps the values that were asked for last.
type lru[K comparable, V any] struct {
	limit int
	gone  func(V) // told of values that are kept no longer; nil: nobody is

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
	return l.putLocked(key, v)
}

func (l *lru[K, V]) putLocked(key K, v V) V {
	if at, ok := l.items[key]; ok {
		return at.Value.(entry[K, V]).value
	}
	l.items[key] = l.order.PushFront(entry[K, V]{key, v})
	for l.order.Len() > l.limit {
		l.removeLocked(l.order.Back())
	}
	return v
}

func (l *lru[K, V]) removeLocked(at *list.Element) {
	old := l.order.Remove(at).(entry[K, V])
	if delete(l.items, old.key); l.gone != nil {
		l.gone(old.value)
	}
}

// replace keeps a value in the place of another one.
func (l *lru[K, V]) replace(key K, v V) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at, ok := l.items[key]; ok {
		l.removeLocked(at)
	}
	l.putLocked(key, v)
}

// dropIf keeps no longer what has a key that is gone.
func (l *lru[K, V]) dropIf(gone func(K) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, at := range l.items {
		if gone(key) {
			l.removeLocked(at)
		}
	}
}

func (l *lru[K, V]) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.items)
}
