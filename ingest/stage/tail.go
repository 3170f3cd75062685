package stage

import "github.com/tidemarkdb/tidemark/segmenter"

// TailRange is what memory holds of one partition from the first offset on that was not known to be committed when it was
// asked: the chunks ascend by offset, the exceptions lie between them.
type TailRange struct {
	Range      segmenter.PartitionRange
	Epoch      int64
	Schema     *Schema
	Chunks     []*Chunk
	Sealed     int // so many of Chunks will never grow: the next time they are the same ones. What lies behind them is copied each time
	Exceptions segmenter.Exceptions
	EndUs      int64 // the partition is read to the end that its log had then, in microseconds since 1970; 0: it is not at its end, or nobody knows
	Lost       bool  // nothing was read: the offsets are about to be recorded as lost
}
