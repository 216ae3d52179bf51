package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"sync/atomic"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/packet"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/reassembly"
)

// An upload is a handle that writes a file. CLOSE publishes it, and nothing else.
type upload struct {
	s        *subsystem
	name     string
	base     proxy.Entry
	store    proxy.Store
	content  *reassembly.Upload
	command  string       // for the log
	data     io.Reader    // the data of the WRITE that runs
	reads    bool         // it was opened to read too
	source   *download    // of base; nil = no READ has come
	transfer *transfer    // nil = no WRITE has come
	stall    *time.Timer  // breaks the upload if no WRITE comes; runs only while the client is to send
	awaited  atomic.Int64 // packetSource.awaited when the client was to send
	refused  error        // of all WRITEs and CLOSE
	closing  bool         // CLOSE has come; guarded by openUploads
	replaced bool         // RENAME has given the name to another file; guarded by openUploads
	deleted  bool         // the client has deleted the file; guarded by openUploads
}

// newUpload returns a handle. base is what the handle leaves unless it writes over it.
func (s *subsystem) newUpload(a proxy.Account, name string, base proxy.Entry, q packet.Request) *upload {
	u := &upload{s: s, name: name, base: base, store: a.Store, reads: q.Flags&packet.FlagRead != 0, command: "WRITE", data: s.in}
	u.content = reassembly.New(reassembly.Config{
		Base:     base,
		Append:   q.Flags&packet.FlagAppend != 0,
		Truncate: q.Flags&packet.FlagTrunc != 0,
		New:      q.Flags&packet.FlagExcl != 0 && q.Flags&packet.FlagCreate != 0,
		Keep:     s.srv.keep(),
		Window:   window,
		Memory:   s.memory,
		Put: func(src proxy.Source, w proxy.Write) (_ proxy.Stored, err error) {
			err = errInternal // after a panic
			defer s.recoverPanic("upload")
			return a.Store.Put(s.stored, name, src, w)
		},
	})
	if q.Attributes.HasSize {
		u.content.Announce(int64(q.Attributes.Size))
	}
	s.uploads.add(u)
	return u
}

// window limits the bytes of WRITEs that overtake others.
const window = 4 << 20

func (srv *Server) keep() int64 {
	if srv.Keep > 0 {
		return srv.Keep
	}
	return 8 << 20
}

// request implements handle.
func (u *upload) request(q packet.Request) error {
	switch q.Type {
	case packet.Write:
		err := u.write(q)
		if u.s.in.Err() != nil {
			return u.s.in.Err()
		}
		u.s.answer(q, nil, err)
	case packet.FStat:
		e := u.entry(u.base.Denied)
		u.s.answer(q, attributes(e), nil)
	case packet.FSetStat:
		u.s.answer(q, nil, u.setAttributes(q.Attributes))
	case packet.Close:
		return u.close(q)
	case packet.Read:
		return u.read(q)
	default:
		u.s.answer(q, nil, errors.ErrUnsupported)
	}
	return nil
}

// read answers READ with bytes of the old file that the handle keeps. New ones may have left the server.
func (u *upload) read(q packet.Request) error {
	n, err := u.content.Unchanged(int64(q.Offset), min(int64(q.Length), packet.MaxData))
	if !u.reads {
		err = failure("The handle was opened to write.")
	}
	if err != nil {
		u.s.answer(q, nil, err)
		return nil
	}
	if u.source == nil {
		u.source = &download{s: u.s, store: u.store, name: u.name, entry: u.base, pos: -1}
	}
	q.Length = int(n)
	return u.source.request(q)
}

// entry returns the file as it is now. Its time is the one that the client has set, if any: sshfs shows it for some time.
func (u *upload) entry(denied proxy.Permissions) proxy.Entry {
	e := proxy.Entry{Name: path.Base(u.name), Size: u.content.Size(), ModTime: u.content.Time(), Resumable: true, Denied: denied}
	if e.ModTime.IsZero() {
		e.ModTime = time.Now()
	}
	return e
}

// begin starts the transfer, unless it has started. Its error is that of all WRITEs and CLOSE.
func (u *upload) begin(offset int64) error {
	if u.transfer == nil && u.refused == nil {
		u.transfer, u.refused = u.s.startTransfer(proxy.Upload, u.command, u.name, offset, u.content.Written)
		u.awaited.Store(int64(u.s.source.awaited()))
		u.stall = time.AfterFunc(u.s.srv.stallTimeout(), func() {
			defer u.s.recoverPanic("stalled upload")
			u.breakStalled()
		})
	}
	return u.refused
}

// write takes the data of a WRITE. What it does not read of them, the next request skips.
func (u *upload) write(q packet.Request) error {
	if err := u.begin(int64(q.Offset)); err != nil {
		return err
	}
	u.stopStall()
	defer u.startStall()
	mayWait := func() bool { return !u.s.uploads.othersUnsent(u) }
	err := u.content.Write(u.s.ctx, int64(q.Offset), q.Length, dataOf{u}, mayWait)
	if err != nil {
		return observedError{err} // the end of the transfer tells it
	}
	return nil
}

// breakStalled breaks the upload if the server has waited for the client for the stall timeout. While it was busy otherwise, or did not
// read the socket, the client could not send.
func (u *upload) breakStalled() {
	left := u.s.srv.stallTimeout()
	if u.s.source.awaitsClient() {
		left -= u.s.source.awaited() - time.Duration(u.awaited.Load())
	}
	if left <= 0 {
		u.content.Break(errStalled)
		return
	}
	u.s.uploads.ifOpen(u, func() { u.stall.Reset(left) })
}

// startStall declares that the client is to send. The idle timeout may end the session again.
func (u *upload) startStall() {
	u.awaited.Store(int64(u.s.source.awaited()))
	u.stall.Reset(u.s.srv.stallTimeout())
	u.s.socket.progress() // it was not idle while it waited
	u.s.pending.Add(-1)
}

// stopStall declares that a WRITE waits for the store, for which the client is not to blame.
func (u *upload) stopStall() {
	u.stall.Stop()
	u.s.pending.Add(1)
}

// dataOf are the data of the WRITE that an upload takes. The client is to send them while Read waits.
type dataOf struct{ *upload }

// Read implements io.Reader.
func (d dataOf) Read(p []byte) (int, error) {
	d.startStall()
	defer d.stopStall()
	return d.data.Read(p)
}

// setAttributes is FSETSTAT: it takes effect at CLOSE.
func (u *upload) setAttributes(a packet.Attributes) error {
	if a.HasTimes {
		u.content.SetTime(timeOf(a))
	}
	if !a.HasSize {
		return nil
	}
	if int64(a.Size) < 0 {
		return fmt.Errorf("a size of %d bytes: %w", a.Size, errors.ErrUnsupported)
	}
	return u.content.SetSize(int64(a.Size))
}

// close is CLOSE. Meanwhile the channel is read on.
func (u *upload) close(q packet.Request) error {
	u.s.uploads.close(u)
	if u.stall != nil {
		u.stall.Stop()
	}
	if u.source != nil {
		if err := u.s.enqueue(&u.source.queue, func() { u.source.end(nil) }); err != nil {
			return err
		}
	}
	q.Path = u.name // for the log
	return u.s.startIn(u.s.stored, q, true, []string{u.name}, func(context.Context) (reply, error) {
		err := u.commit()
		if err != nil && u.transfer != nil {
			err = observedError{err}
		}
		return nil, err
	})
}

// commit publishes the upload.
func (u *upload) commit() error {
	defer u.s.uploads.remove(u)
	if u.refused != nil {
		u.content.Break(u.refused)
		return u.refused
	}
	if u.s.uploads.isDeleted(u) {
		u.finish(errDeleted)
		return nil
	}
	stored, changed, err := u.content.Close(u.s.stored)
	if errors.Is(err, context.Canceled) && context.Cause(u.s.stored) == errDrainTimeout {
		err = fmt.Errorf("%w: %w", errUnconfirmed, err)
	}
	if err == nil {
		u.s.known.add(path.Dir(u.name))
	}
	switch {
	case u.transfer != nil:
		u.transfer.finish(err, u.content.Written(), stored)
	case err == nil && changed: // without a WRITE; the limit of transfers must not hide what is published
		u.s.newTransfer(proxy.Upload, u.command, u.name, 0).finish(nil, 0, stored)
	}
	return err
}

// end implements handle.
func (u *upload) end(err error) {
	if u.stall != nil {
		u.stall.Stop()
	}
	u.s.uploads.remove(u)
	if u.s.uploads.isDeleted(u) {
		err = errDeleted
	}
	u.finish(err)
	if u.source != nil {
		u.source.end(err)
	}
}

// finish ends the upload without publishing it, because of err.
func (u *upload) finish(err error) {
	u.content.Break(err)
	if u.transfer != nil {
		u.transfer.finish(err, u.content.Written(), proxy.Stored{})
	}
}
