package sftp

import (
	"cmp"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/budget"
	"github.com/s3ftpd/s3ftpd/proxy/event"
)

// A transfer is a handle that has read or written, or a listing.
type transfer struct {
	s     *subsystem
	end   event.TransferEnd // as far as it is known
	begin time.Time
	leave func()
}

// startTransfer counts and lists a transfer.
func (s *subsystem) startTransfer(d proxy.Direction, command, name string, offset int64, bytes func() int64) (*transfer, error) {
	leave, err := s.entry.StartTransfer(d, name, bytes)
	if err != nil {
		return nil, err
	}
	t := s.newTransfer(d, command, name, offset)
	t.leave = leave
	return t, nil
}

// newTransfer returns a transfer that is neither counted nor listed.
func (s *subsystem) newTransfer(d proxy.Direction, command, name string, offset int64) *transfer {
	end := event.TransferEnd{Direction: d, Command: command, Name: name, Offset: offset, Opened: true}
	return &transfer{s: s, end: end, begin: time.Now(), leave: func() {}}
}

// finish reports the end of the transfer.
func (t *transfer) finish(err error, bytes int64, stored proxy.Stored) {
	t.leave()
	t.end.Bytes, t.end.Duration, t.end.Stored = bytes, time.Since(t.begin), stored
	t.end.Err, t.end.Cause, t.end.Code = err, causeOf(err), int(statusOf(err).code)
	t.s.observe(t.s.ctx, t.end)
}

// buffer returns a buffer of n bytes for the client. If memory is short, it waits for some as other transfers do.
func (s *subsystem) buffer(n int) (buffer []byte, giveBack func(), err error) {
	if lent := s.memory.Lend(n); lent != nil {
		return lent[:n], func() { s.memory.ReturnPrefetched(lent) }, nil
	}
	c := s.memory.Claim(int64(n), n <= budget.SmallBufferSize)
	defer c.Seal()
	if buffer, err = c.Take(s.ctx, s.srv.stallTimeout()); err != nil {
		return nil, nil, err
	}
	return buffer[:n], func() { c.Free(buffer) }, nil
}

func (srv *Server) stallTimeout() time.Duration { return cmp.Or(srv.StallTimeout, 5*time.Minute) }
