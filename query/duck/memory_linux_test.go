package duck

import (
	"testing"
)

// TestHeap (D7): what expressions make is bounded too. The statement that asks for more fails with the limit's kind, and the next
// one runs.
func TestHeap(t *testing.T) {
	db, err := Open(Options{MemoryBytes: 64 << 20, HeapBytes: 160 << 20, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	before := heapBytes()
	for _, sql := range []string{
		"SELECT repeat('x', 3000000000)",
		"SELECT sum(length(repeat('x', (1000000 + range)::BIGINT))) FROM range(2048)",
		"SELECT len(range(1000000000))",
		"SELECT len(list_resize([1], 1000000000))",
		"SELECT length(lpad('x', 2000000000, 'y'))",
		"SELECT length(format('{:2000000000d}', 1))",
		"SELECT length(printf('%2000000000d', 1))",
		"SELECT length(regexp_replace(repeat('a', 1000000), 'a', repeat('b', 1000), 'g'))",
		"SELECT length(replace(repeat('a', 1000000), 'a', repeat('b', 1000)))",
		"SELECT length(array_to_string(range(30000000), ','))",
		"SELECT length(string_agg(repeat('x', 1000), '')) FROM range(10000000)",
		"SELECT max(length(s)) FROM (SELECT s||s s FROM (SELECT s||s s FROM (SELECT s||s s FROM (SELECT s||s s FROM (SELECT repeat('x', 10000 + range::BIGINT) s FROM range(2048))))))",
	} {
		_, err := answer(t, db, sql, nil)
		if e := asError(t, err); e.Kind != KindMemory || e.Hint == "" {
			t.Errorf("%s: %s: %v, want %s", sql, e.Kind, err, KindMemory)
		}
		if got, err := answer(t, db, "SELECT length(repeat('x', 1000000))", nil); err != nil {
			t.Errorf("after %s: %s, %v", sql, got, err)
		}
	}
	if after := heapBytes(); after > before+16<<20 {
		t.Errorf("%d bytes are held afterwards, %d before", after, before)
	}
}
