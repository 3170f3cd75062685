package readers

import "testing"

// R1: another value, one more or less, or a null in its place shows; another order does not.
func TestSums(t *testing.T) {
	of := func(values ...any) ColumnSum {
		s := Sums{}
		for _, v := range values {
			s.Add("a", v)
		}
		return *s["a"]
	}
	want := of(int64(1), "b", nil)
	if got := of(nil, "b", int32(1)); got != want {
		t.Errorf("in another order: %v, want %v", got, want)
	}
	for _, other := range [][]any{{int64(2), "b", nil}, {int64(1), nil, nil}, {int64(1), "b", nil, "b"}, {int64(1), "b", 0.0}} {
		if got := of(other...); got == want {
			t.Errorf("%v has the sum of 1, b, null", other)
		}
	}
}
