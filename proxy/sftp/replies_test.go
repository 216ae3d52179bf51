package sftp

import (
	"bytes"
	"slices"
	"testing"

	"github.com/s3ftpd/s3ftpd/proxy/sftp/packet"
)

// writes records each Write.
type writes [][]byte

func (w *writes) Write(p []byte) (int, error) {
	*w = append(*w, bytes.Clone(p))
	return len(p), nil
}

// The header of a large reply to READ is sent with its data, after the replies that wait.
func TestSendData(t *testing.T) {
	const data = "0123456789"
	reply := append(packet.AppendDataHeader(nil, 7, len(data)), data...)
	status := func(b []byte, id uint32) []byte { return packet.AppendStatus(b, id, packet.OK, "") }
	waiting := status(nil, 6)
	for name, c := range map[string]struct {
		room int
		want writes
	}{
		"room for the header": {packet.DataHeaderSize, writes{waiting, reply}},
		"no room":             {0, writes{append(bytes.Clone(waiting), reply[:packet.DataHeaderSize]...), []byte(data)}},
	} {
		var got writes
		r := newReplies(&got, func(func()) {})
		r.send(6, status)
		r.sendData(7, append(make([]byte, c.room), data...), c.room)
		if !slices.EqualFunc(got, c.want, bytes.Equal) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
