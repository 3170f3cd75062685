package plan

// Truth is a value of SQL's logic of three values.
type Truth uint8

// The truths, in the order in which AND takes the least and OR the greatest.
const (
	False Truth = iota
	Unknown
	True
)

// Not returns the opposite; of Unknown, Unknown.
func (t Truth) Not() Truth { return True - t }

// truth returns True or False.
func truth(b bool) Truth {
	if b {
		return True
	}
	return False
}

// String returns true, false or null.
func (t Truth) String() string { return [...]string{"false", "null", "true"}[t] }
