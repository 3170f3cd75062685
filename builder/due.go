package builder

import (
	"container/heap"
	"time"
)

// dueQueue holds ids by the time at which each is due. It is of wall times: what is measured by a monotonic clock is asked
// for again when one has been set back (dueQueue.setBack) or when it turns out to be early.
type dueQueue struct {
	h    dueHeap
	last time.Time // of the pass before
}

type dueItem struct {
	id string
	at time.Time
}

type dueHeap struct {
	list []dueItem
	of   map[string]int // where an id is in list
}

func newDueQueue() *dueQueue { return &dueQueue{h: dueHeap{of: map[string]int{}}} }

// set says when an id is due. The zero time: never.
func (q *dueQueue) set(id string, at time.Time) {
	i, known := q.h.of[id]
	switch {
	case at.IsZero() && known:
		heap.Remove(&q.h, i)
	case at.IsZero():
	case known:
		q.h.list[i].at = at.Round(0)
		heap.Fix(&q.h, i)
	default:
		heap.Push(&q.h, dueItem{id, at.Round(0)})
	}
}

// take removes and returns what is due.
func (q *dueQueue) take(now time.Time) (ids []string) {
	for len(q.h.list) > 0 && !q.h.list[0].at.After(now.Round(0)) {
		ids = append(ids, heap.Pop(&q.h).(dueItem).id)
	}
	return ids
}

// setBack reports whether the clock shows less than at the call before: what was due by it must be looked at anew.
func (q *dueQueue) setBack(now time.Time) bool {
	now = now.Round(0)
	back := now.Before(q.last)
	q.last = now
	return back
}

// Len, Less, Swap, Push and Pop are those of heap.Interface.
func (h *dueHeap) Len() int           { return len(h.list) }
func (h *dueHeap) Less(i, j int) bool { return h.list[i].at.Before(h.list[j].at) }

func (h *dueHeap) Swap(i, j int) {
	h.list[i], h.list[j] = h.list[j], h.list[i]
	h.of[h.list[i].id], h.of[h.list[j].id] = i, j
}

func (h *dueHeap) Push(x any) {
	item := x.(dueItem)
	h.of[item.id] = len(h.list)
	h.list = append(h.list, item)
}

func (h *dueHeap) Pop() any {
	n := len(h.list) - 1
	item := h.list[n]
	h.list = h.list[:n]
	delete(h.of, item.id)
	return item
}
