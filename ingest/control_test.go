package ingest

import (
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// controlBatch is a fetched partition that holds one commit marker, as a broker lays it out.
func controlBatch() *kmsg.FetchResponseTopicPartition {
	record := kmsg.Record{Key: []byte{0, 0, 0, 1}, Value: []byte{0, 0, 0, 0, 0, 0}}
	body := record.AppendTo(nil)
	record.Length = int32(len(body) - 1)
	body = record.AppendTo(nil)
	batch := kmsg.RecordBatch{
		PartitionLeaderEpoch: 0, Magic: 2, Attributes: 0x30, // transactional, control
		ProducerID: 1, NumRecords: 1, Records: body,
	}
	raw := batch.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
	p := kmsg.NewFetchResponseTopicPartition()
	p.RecordBatches = raw
	return &p
}
