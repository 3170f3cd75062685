package dictionary

import (
	"context"
	"encoding/binary"
)

// file is an open file of values.
type file struct {
	src  source
	size int64
	foot *Footer
	end  int64 // of the index

	name string // its key; "": it is not in a store
	pack Pack   // zero: it is none
}

// openFile reads the footer.
func openFile(ctx context.Context, src source, size int64) (*file, error) {
	least := int64(len(magic) + frameGuard + tailBytes)
	if size < least {
		return nil, damaged("it has %d bytes, none has fewer than %d", size, least)
	}
	w := window{src: src, end: size, most: leastAhead}
	tail, err := w.read(ctx, max(0, size-leastAhead), min(size, leastAhead))
	if err != nil {
		return nil, err
	}
	tail = tail[len(tail)-tailBytes:]
	end := int64(binary.LittleEndian.Uint64(tail))
	if string(tail[8:]) != magic || end < int64(len(magic)) || end > size-int64(tailBytes+frameGuard) {
		return nil, damaged("it does not end as a dictionary does")
	}
	head, err := w.read(ctx, 0, int64(len(magic)))
	if err != nil {
		return nil, err
	}
	if string(head) != magic {
		return nil, damaged("it does not begin as a dictionary does")
	}
	text, err := w.read(ctx, end, size-int64(tailBytes)-end)
	if err != nil {
		return nil, err
	}
	if text, err = openFrame(text); err != nil {
		return nil, err
	}
	foot, err := decodeFooter(text, end)
	if err != nil {
		return nil, err
	}
	return &file{src: src, size: size, foot: foot, end: end}, nil
}
