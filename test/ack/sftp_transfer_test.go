package ack

import (
	"errors"
	"io"
	"math"
	"net"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

// upload stores a file, appends to one, resumes one, or changes one in place.
func (s *sftpSession) upload(o *op) error {
	if err := s.askOffset(o); err != nil {
		return err
	}
	flags := harness.SFTPForWrite | harness.SFTPCreate
	switch {
	case o.verb == "PATCH":
		flags = harness.SFTPForWrite
	case o.verb == "APPE":
		flags |= harness.SFTPAppend
	case o.offset == 0:
		flags |= harness.SFTPTruncate
	}
	handle, err := s.Handle(harness.SFTPOpen, o.by().path(o.name), flags, 0)
	if err != nil {
		return err
	}
	w := &writes{sftpSession: s, o: o, handle: handle, offset: o.offset}
	o.transmit(w)
	if w.lost != nil {
		return w.lost
	}
	if wrong, ok := map[cut]int64{badWrite: math.MaxInt64 - 1, backWrite: 0}[o.cut]; ok {
		if err := w.send(wrong, make([]byte, block)); err != nil {
			return err
		}
	}
	return w.finish()
}

// writes are the WRITEs of an upload.
type writes struct {
	*sftpSession
	o       *op
	handle  string
	offset  int64 // of the next WRITE
	waiting int   // replies
	refused error // the first refusal
	lost    error // the connection's error
}

// Write implements io.Writer. It ends after a refusal.
func (w *writes) Write(p []byte) (n int, err error) {
	for n < len(p) {
		size := min(int64(len(p)-n), w.o.packet)
		if err := w.send(w.offset, p[n:n+int(size)]); err != nil {
			return n, err
		}
		n, w.offset = n+int(size), w.offset+size
		if w.refused != nil {
			return n, w.refused
		}
	}
	return n, nil
}

// send sends a WRITE, and waits for replies if too many are missing.
func (w *writes) send(offset int64, data []byte) error {
	if _, w.lost = w.Send(harness.SFTPWrite, w.handle, offset, data); w.lost != nil {
		return w.lost
	}
	w.waiting++
	return w.await(w.o.flight - 1)
}

// await reads replies until no more than so many are missing.
func (w *writes) await(missing int) error {
	for ; w.waiting > missing; w.waiting-- {
		err := w.Status()
		if err != nil && !errors.As(err, new(*harness.SFTPError)) {
			w.lost = err
			return err
		}
		if w.refused == nil {
			w.refused = err
		}
	}
	return nil
}

// finish ends an upload as planned. CLOSE is sent before the replies to the WRITEs are read, and also after one that was refused.
func (w *writes) finish() error {
	o := w.o
	if err := w.cut(); err != nil {
		return err
	}
	o.whole, o.ended = o.sent == o.size && o.cut != badWrite && o.cut != backWrite, w.w.clock()
	if o.offset > 0 && o.verb != "PATCH" { // which cuts the file that was there
		if _, err := w.Send(harness.SFTPFSetStat, w.handle, 1, o.offset+o.size); err != nil {
			return err
		}
		w.waiting++
	}
	if _, err := w.Send(harness.SFTPClose, w.handle); err != nil {
		return err
	}
	switch o.cut {
	case quit:
		w.CloseWrite()
		fallthrough
	case leave:
		o.pause.wait(holdLimit)
		return errLeft
	}
	if err := w.await(0); err != nil {
		return err
	}
	err := w.Status()
	o.whole = o.whole && w.refused == nil
	if w.refused != nil && errors.As(err, new(*harness.SFTPError)) {
		return w.refused // which is the cause
	}
	return err
}

// cut ends an upload before CLOSE, if that is planned.
func (w *writes) cut() error {
	raw := w.Conn.(*net.TCPConn)
	switch w.o.cut {
	case killSFTP:
	case resetData:
		reset(raw)
	case hangUp:
		raw.CloseWrite()
		io.Copy(io.Discard, w) // until the server has ended the session
	case halfWrite:
		w.SendPart(block, harness.SFTPWrite, w.handle, w.offset, make([]byte, w.o.packet))
	case halfClose:
		w.SendPart(10, harness.SFTPClose, w.handle)
	case closeChannel:
		w.Session.Close()
		io.Copy(io.Discard, w)
	default:
		return nil
	}
	return errLeft
}

// download reads a file.
func (s *sftpSession) download(o *op) error {
	if err := s.askOffset(o); err != nil {
		return err
	}
	handle, err := s.Handle(harness.SFTPOpen, o.by().path(o.name), harness.SFTPForRead, 0)
	if err != nil {
		return err
	}
	r := &reads{sftpSession: s, handle: handle, next: o.offset}
	err = r.readAll(o)
	if err != nil && r.refused == nil {
		return err
	}
	if closed := s.Do(harness.SFTPClose, handle); closed != nil || err != nil {
		return errors.Join(err, closed)
	}
	o.record(r.data)
	return nil
}

// reads are the READs of a download.
type reads struct {
	*sftpSession
	handle  string
	next    int64 // offset of the next READ
	data    []byte
	refused error
}

// readAll reads to the end of the file, with a pause after the first bytes.
func (r *reads) readAll(o *op) error {
	if _, err := r.Send(harness.SFTPFStat, r.handle); err != nil {
		return err
	}
	size, err := r.size()
	if err != nil {
		return err
	}
	err = r.read(min(o.offset+block, size), o.packet, 1)
	o.mid.happen()
	o.pause.wait(gateLimit)
	if o.cut == resetData {
		reset(r.Conn.(*net.TCPConn))
		return errLeft
	}
	if err == nil {
		err = r.read(size, o.packet, o.flight)
	}
	if err == nil {
		err = r.readEnd()
	}
	return err
}

// read reads up to an offset, with READs of a size, so many at a time.
func (r *reads) read(end, packet int64, flight int) error {
	for waiting := []int64{}; r.next < end && r.refused == nil || len(waiting) > 0; {
		if r.next < end && r.refused == nil && len(waiting) < flight {
			n := min(packet, end-r.next)
			if _, err := r.Send(harness.SFTPRead, r.handle, r.next, int(n)); err != nil {
				return err
			}
			r.next, waiting = r.next+n, append(waiting, n)
			continue
		}
		if err := r.receive(waiting[0]); err != nil {
			return err
		}
		waiting = waiting[1:]
	}
	return r.refused
}

// receive reads the reply to a READ of n bytes, which must not be short. A refusal is noted.
func (r *reads) receive(n int64) error {
	answer, err := r.Reply()
	switch {
	case err != nil:
		return err
	case answer.Kind != harness.SFTPData:
		if err := r.Refused(answer); !errors.As(err, new(*harness.SFTPError)) {
			return err
		} else if r.refused == nil {
			r.refused = err
		}
		return nil
	case int64(answer.Number) != n:
		r.w.violation("a READ of %d bytes within the file returns %d", n, answer.Number)
	}
	begin := len(r.data)
	r.data = append(r.data, make([]byte, answer.Number)...)
	_, err = io.ReadFull(r, r.data[begin:])
	return err
}

// readEnd reads at the end of the file, where there is nothing.
func (r *reads) readEnd() error {
	err := r.Do(harness.SFTPRead, r.handle, r.next, int(block))
	refused, ok := errors.AsType[*harness.SFTPError](err)
	switch {
	case ok && refused.Kind == harness.SFTPStatus && refused.Code == harness.SFTPEOF:
		return nil
	case !ok && err != nil:
		return err
	}
	r.w.violation("a READ at the end of the file is answered with %v", err)
	return nil
}
