package main

import (
	"fmt"
	"syscall"

	"github.com/tidemarkdb/tidemark/internal/config"
	"github.com/tidemarkdb/tidemark/internal/doctor"
)

// disks are the rooms of the folders that this machine has of a configuration. Folders on one disk count once.
func disks(cfg *config.Config) (list []doctor.Disk, err error) {
	seen := map[syscall.Fsid]bool{}
	for _, dir := range []string{cfg.Data, cfg.StoreURL(), cfg.Query.FileCache} {
		if dir == "" || !exists(dir) { // s3://bucket is no folder, nor is what is made at the first start
			continue
		}
		var st syscall.Statfs_t
		if err := syscall.Statfs(dir, &st); err != nil {
			return nil, fmt.Errorf("room of %s: %w", dir, err)
		}
		if seen[st.Fsid] {
			continue
		}
		seen[st.Fsid] = true
		unit := int64(st.Bsize)
		list = append(list, doctor.Disk{Dir: dir, Free: int64(st.Bavail) * unit, Total: int64(st.Blocks) * unit})
	}
	return list, nil
}
