package stage

// GroupBytes is about what Read of a group with these fields takes of memory, by the file's own account: of Parquet the
// encoded columns before compression, of NDJSON the whole lines.
func (r *Reader) GroupBytes(group int, fields []int) int64 {
	switch b := r.body.(type) {
	case *parquetBody:
		columns := b.file.Meta.RowGroups[group].Columns
		n := int64(16 * r.groups[group].Rows) // offsets and timestamps
		for _, f := range fields {
			n += columns[f+2].MetaData.TotalUncompressedSize
		}
		return n
	case *ndjsonBody:
		return b.groups[group].Bytes
	}
	return 0
}
