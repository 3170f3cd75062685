package decode

// skip returns the index behind the value at b[i], which lies in depth containers, or -1 if it is not strict JSON (D2).
// It keeps the kinds of open containers as bits, so that deep nesting costs no stack.
func (d *Decoder) skip(i, depth int) int {
	b := d.b
	var kinds [MaxDepth/64 + 1]uint64 // bit set: object
	top, object := depth, false       // the innermost open container; at depth: none of ours
value:
	if i >= len(b) {
		return -1
	}
	switch c := b[i]; c {
	case '"':
		i, _ = d.str(i + 1)
	case '{', '[':
		if top == MaxDepth {
			return -1
		}
		top++
		object = c == '{'
		if object {
			kinds[top>>6] |= 1 << (top & 63)
		} else {
			kinds[top>>6] &^= 1 << (top & 63)
		}
		if i++; i < len(b) && b[i] <= ' ' {
			i = d.ws(i)
		}
		if i < len(b) && b[i] == c+2 {
			goto pop
		}
		if object {
			goto key
		}
		goto value
	case 't', 'f', 'n':
		i = word(b, i)
	default:
		i = number(b, i)
	}
after:
	if i < 0 || top == depth {
		return i
	}
	if i < len(b) && b[i] <= ' ' {
		i = d.ws(i)
	}
	if i >= len(b) {
		return -1
	}
	if b[i] == ',' {
		if i++; i < len(b) && b[i] <= ' ' {
			i = d.ws(i)
		}
		if object {
			goto key
		}
		goto value
	}
	if object && b[i] != '}' || !object && b[i] != ']' {
		return -1
	}
pop:
	i++
	top--
	object = kinds[top>>6]>>(top&63)&1 != 0
	goto after
key:
	if i = d.skipKey(i); i >= 0 {
		goto value
	}
	return -1
}

// word returns the index behind the true, false or null at b[i], or -1.
func word(b []byte, i int) int {
	switch b[i] {
	case 't':
		return literal(b, i, "true")
	case 'f':
		return literal(b, i, "false")
	}
	return literal(b, i, "null")
}

// skipKey returns the index of the value behind the key at b[i], or -1.
func (d *Decoder) skipKey(i int) int {
	b := d.b
	if i >= len(b) || b[i] != '"' {
		return -1
	}
	if i, _ = d.str(i + 1); i < 0 {
		return -1
	}
	if i < len(b) && b[i] <= ' ' {
		i = d.ws(i)
	}
	if i >= len(b) || b[i] != ':' {
		return -1
	}
	if i++; i < len(b) && b[i] <= ' ' {
		i = d.ws(i)
	}
	return i
}

func isDigit(c byte) bool { return c-'0' <= 9 }

// number returns the index behind the JSON number at b[i], or -1.
func number(b []byte, i int) int {
	if i < len(b) && b[i] == '-' {
		i++
	}
	switch {
	case i >= len(b) || !isDigit(b[i]):
		return -1
	case b[i] == '0':
		i++
	default:
		for i < len(b) && isDigit(b[i]) {
			i++
		}
	}
	if i < len(b) && b[i] == '.' {
		if i = digits(b, i+1); i < 0 {
			return -1
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		return digits(b, i)
	}
	return i
}

// digits returns the index behind the digits at b[i], or -1 if there are none.
func digits(b []byte, i int) int {
	st := i
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	if i == st {
		return -1
	}
	return i
}
