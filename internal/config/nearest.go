package config

import "strings"

// Nearest returns the candidate that is most like word, or "" when none is near enough to be a slip of the pen: a third of the
// letters of the shorter one may be wrong, at least one, and not all. What all begin with, as -- and TIDEMARK_, is no likeness.
func Nearest(word string, candidates []string) string {
	word = strings.ToLower(word)
	from, best, least := sharedStart(word, candidates), "", len(word)+1
	for _, c := range candidates {
		shorter := min(len(word), len(c)) - from
		if d := distance(word[from:], strings.ToLower(c[from:])); d <= max(shorter/3, 1) && d < min(shorter, least) {
			best, least = c, d
		}
	}
	return best
}

// sharedStart returns how many bytes word and all candidates begin with alike, up to a mark between words.
func sharedStart(word string, candidates []string) int {
	n := strings.LastIndexAny(word, "-_.") + 1
	for _, c := range candidates {
		for n > 0 && !strings.HasPrefix(strings.ToLower(c), word[:n]) {
			n = strings.LastIndexAny(word[:n-1], "-_.") + 1
		}
	}
	return n
}

// Suggest returns the end of a complaint about an unknown word.
func Suggest(word string, candidates []string) string {
	if n := Nearest(word, candidates); n != "" {
		return ": did you mean " + n + "?"
	}
	return ""
}

// distance is the number of letters to insert, delete, change or swap with their neighbour.
func distance(a, b string) int {
	before, last, now := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		now[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			now[j] = min(last[j]+1, now[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				now[j] = min(now[j], before[j-2]+1)
			}
		}
		before, last, now = last, now, before
	}
	return last[len(b)]
}
