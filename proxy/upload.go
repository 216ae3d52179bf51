package proxy

import (
	"cmp"
	"context"
	"crypto/rand"
	"io"
	"path"
	"strings"
	"sync"
	"syscall"
	"time"
)

func (s *session) cmdStor(ctx context.Context, arg string) (reply, error) {
	w := Write{Offset: take(&s.offset), Size: take(&s.size)}
	told := s.toldOf(arg)
	w.Broken = w.Offset > 0 && w.Offset == told.size && !told.whole
	return s.receive(ctx, "STOR", arg, w)
}

// cmdStou stores under a name that nothing has (RFC 959, section 4.1.3), and says it in the preliminary reply (RFC 1123,
// section 4.1.2.9). A name that the client gives is its beginning.
func (s *session) cmdStou(ctx context.Context, arg string) (reply, error) {
	s.offset = 0
	return s.receive(ctx, "STOU", unique(arg), Write{New: true, Size: take(&s.size)})
}

// unique returns a name that nobody has chosen before, with the directory and the extension of the one given.
func unique(name string) string {
	ext := path.Ext(name)
	stem := cmp.Or(strings.TrimSuffix(name, ext), "stou")
	return stem + "-" + strings.ToLower(rand.Text()[:12]) + ext
}

func (s *session) cmdAppe(ctx context.Context, arg string) (reply, error) {
	s.offset = 0
	w := Write{Append: true, Size: take(&s.size)}
	if told := s.toldOf(arg); told.size > 0 && !s.ascii {
		w.Append, w.Offset, w.Broken = told.whole, told.size, !told.whole
	}
	return s.receive(ctx, "APPE", arg, w)
}

// receive runs an upload. The store is not asked first what stands under the name: that would cost a small
// file more than its own upload.
func (s *session) receive(ctx context.Context, verb, arg string, w Write) (reply, error) {
	name, err := resolve(s.dir, arg)
	switch {
	case err != nil:
		return reply{}, err
	case w.Offset > 0 && s.ascii:
		return noOffsetInText, nil
	case s.isKnown(name) && s.stillThere(ctx, name):
		return reply{}, syscall.EISDIR
	}
	text, store := s.ascii, s.store
	r, err := s.transfer(ctx, verb, name, func(ctx context.Context, t *transfer) error {
		mark := "Opening " + kind(text) + " mode data connection, send the file."
		if verb == "STOU" {
			mark = "FILE: " + arg
		}
		return s.put(ctx, t, store, name, mark, w, text)
	})
	if r.ok() {
		s.known.add(path.Dir(name))
		s.stored = name
	}
	return r, err
}

// An upload is the reader that a Put gets, and the conscience of the program: it ends with io.EOF, the order
// to publish, only if there is no doubt that the client has sent all of the file.
//
// The data connection is made at the first Read, so that a store can refuse before the client sends a byte.
type upload struct {
	ctx     context.Context
	t       *transfer
	mark    string
	least   int64                                                 // bytes announced
	before  int64                                                 // bytes of the file that are there already
	outlive func(ctx context.Context, since, end time.Time) error // waits out the grace, and says whether the client is still there
	commit  func() error                                          // makes sure that the upload is not aborted, and cannot be any more

	data  io.Reader // what the client sends; nil before the first Read
	held  bool      // the end of the data is not the order
	end   error     // of the data: once there was one, all there is
	mu    sync.Mutex
	order error // nil = not asked for yet; io.EOF = publish
}

func (u *upload) Read(p []byte) (n int, err error) {
	if u.end != nil {
		return 0, u.end
	}
	if u.t.conn == nil {
		if u.end = u.t.connect(u.ctx, u.mark); u.end != nil {
			return 0, u.end
		}
	}
	if u.data == nil {
		u.data = u.t.received()
	}
	n, u.end = u.data.Read(p)
	if u.end == io.EOF && !u.held {
		u.end = u.verdict()
	}
	return n, u.end
}

// Hold makes io.EOF the end of the data, and order the one to publish, as Store.Put has it.
func (u *upload) Hold() (order func() error) {
	u.held = true
	return func() error {
		if u.end != io.EOF {
			return cmp.Or(u.end, io.ErrUnexpectedEOF)
		}
		if err := u.verdict(); err != io.EOF {
			return err
		}
		return nil
	}
}

// verdict judges an upload whose data connection ended as it should, once: io.EOF, or why it is void.
func (u *upload) verdict() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.order == nil {
		u.order = u.judge()
	}
	return u.order
}

func (u *upload) judge() error {
	if u.t.bytes < u.least && u.t.bytes+u.before != u.least { // some clients announce the whole
		return errTooShort
	}
	if err := u.outlive(u.ctx, u.t.conn.since, u.t.conn.ended); err != nil {
		return err
	}
	if err := u.commit(); err != nil {
		return err
	}
	return io.EOF
}

// outcome is what became of the upload when its Put has returned err.
func (u *upload) outcome(err error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.end != nil && u.end != io.EOF:
		return u.end
	case u.order != nil && u.order != io.EOF:
		return u.order
	case err == nil && u.order == nil:
		return io.ErrUnexpectedEOF // a store that did not wait for the order has not stored the file
	}
	return err
}

const (
	leastGrace = time.Millisecond
	mostGrace  = 100 * time.Millisecond
)

// grace returns how long to wait for the end of the control connection after an upload that took so long.
//
// A round trip covers the network, but not a client that loses its processor between the ends of its two connections.
// A tenth of the upload's own time covers that where it matters: a kill in mid-upload hits the long ones.
func grace(rtt, took time.Duration) time.Duration {
	return min(max(rtt, took/10, leastGrace), mostGrace)
}

// outlive waits for the end of the control connection, in vain if all is well. A client that is killed ends
// its data connection like one that is done, but its control connection ends with it.
func (s *session) outlive(ctx context.Context, since, end time.Time) error {
	wait := s.srv.CommitGrace
	if wait == 0 {
		rtt, _ := kernelView(s.raw)
		wait = grace(rtt, end.Sub(since))
	}
	timer := time.NewTimer(time.Until(end.Add(wait)))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.gone:
		return errControlLost
	case <-timer.C:
	}
	// Lines that nobody has read yet can hide the end from the reading goroutine, but not from the kernel.
	if _, ended := kernelView(s.raw); ended {
		return errControlLost
	}
	return nil
}

// put runs one upload. ABOR and the drain time-out reach it until it commits, and no longer: from then on
// the store alone decides, and the reply says what it decided.
func (s *session) put(ctx context.Context, t *transfer, store Store, name, mark string, w Write, text bool) error {
	put, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	hold := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	u := &upload{ctx: ctx, t: t, mark: mark, least: w.Size, before: w.Offset, outlive: s.outlive, commit: func() error {
		if !hold() {
			return context.Cause(ctx)
		}
		return nil
	}}
	var r io.Reader = u
	if text {
		r, u.least, w.Size = &fromNet{r: u}, 0, 0 // ALLO counts what is sent, not what is stored
	}
	return u.outcome(store.Put(put, name, r, w))
}
