package local

import "github.com/tidemarkdb/tidemark/builder/cuboid"

// sizes are fixed but for tests: those of blocks, groups and fan-in decide in which order floats are added (L1).
type sizes struct {
	blockRows  int   // most events of a block: a larger one has fewer runs to merge, a smaller one needs less memory
	blockBytes int64 // most bytes of its decoded columns
	groupRows  int   // rows of a row group, and of the frames of a cuboid that others are made of
	heldBytes  int   // of rows that wait for the next frame while a cuboid is rolled up; more are merged from runs
	fanIn      int   // sources of one merge; more are merged in turns

	// These decide nothing about results.
	frameRows int // most rows of a frame of a run, and of what a merge holds of a source at once
	stepRows  int // what one step of a merge takes of all sources together
	minWindow int // what it takes of one at least, where there is room

	frameBytes int64 // with which a frame of a temporary file ends before it has frameRows: sketches and strings may be large
	stepBytes  int64 // what a merge holds of all sources together, beside a frame of each

	lasting int64 // events, or cells that are merged, from which finished cuboids are kept for another attempt: fewer are soon done again

	keepAtMost int64 // of memory by runs and cuboids; 0: half of the engine's
}

func fixedSizes() sizes {
	return sizes{
		blockRows: 1 << 19, blockBytes: 64 << 20, groupRows: 1 << 17, heldBytes: cuboid.GroupBytes, fanIn: 128,
		frameRows: 1 << 14, stepRows: 1 << 18, minWindow: 1 << 10, frameBytes: 2 << 20, stepBytes: 64 << 20, lasting: 1 << 20,
	}
}

// sizesFor are the fixed ones within a budget: a merge of large states holds an eighth of it in steps, and as much in what they make.
func sizesFor(memory int64) sizes {
	s := fixedSizes()
	s.stepBytes = min(s.stepBytes, memory/8)
	s.frameBytes = min(s.frameBytes, memory/64)
	return s
}

// deciding are the sizes that what a build leaves depends on: with other blocks a run has other events.
func (s *sizes) deciding() []int64 {
	return []int64{int64(s.blockRows), s.blockBytes, int64(s.groupRows), int64(s.heldBytes), int64(s.fanIn)}
}
