// Package doctor decides why a table or a cube does not move: which one thing blocks it first, and which command mends it;
// and what of the whole is about to block: tasks, processes, the store, disks. It looks at the catalog and changes nothing.
//
//   - D1: a finding is one sentence and one command. Of several things that block, the one that must be mended first is
//     told: what a table waits for before what its cubes wait for, what a person did before what failed by itself.
//   - D2: the diagnosis is a pure function of what was found and of a time that is given.
//   - D3: looking costs what is live (tables, cubes, open jobs, live tasks), however much has ended.
package doctor
