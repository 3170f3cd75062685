package cube

import (
	"fmt"
	"strings"
)

// Nearest returns the known word that word was probably meant to be, or nothing. A third of the letters may be wrong.
func Nearest(word string, known []string) string {
	low := strings.ToLower(word)
	best, bestDist := "", 1+len(low)/3
	for _, k := range known {
		if d := editDistance(low, strings.ToLower(k)); d < bestDist || d == bestDist && best == "" {
			best, bestDist = k, d
		}
	}
	return best
}

// unknownWord complains about a word that is not in a closed list.
func unknownWord(what, word string, known []string) *Problem {
	p := &Problem{Message: fmt.Sprintf("unknown %s %q", what, word), Instead: "write " + orList(known)}
	if n := Nearest(word, known); n != "" {
		p.Instead = "write " + n
	}
	return p
}

func orList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// editDistance counts insertions, deletions, replacements and swaps of neighbours. Words beyond 64 bytes are far from
// everything: what is compared comes from a user's file, and the cost is the product of the lengths.
func editDistance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return max(len(a), len(b))
	}
	prev2, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], prev2[j-2]+1)
			}
		}
		prev2, prev, row = prev, row, prev2
	}
	return prev[len(b)]
}
