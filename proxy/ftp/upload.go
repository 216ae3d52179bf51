package ftp

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"sync"
	"syscall"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/ftp/names"
)

// isUpload reports whether a command sends a file to the server.
func isUpload(verb string) bool { return verb == "STOR" || verb == "STOU" || verb == "APPE" }

func (s *session) cmdStor(ctx context.Context, arg string) error {
	to := destination{first: take(&s.offset), Write: proxy.Write{Size: take(&s.size)}}
	to.before = to.first
	if e := s.toldOf(arg); e.Resumable && to.first > 0 && to.first == e.Size {
		to.Base = e.ETag // the bytes before the offset are those of the upload that broke, and of nothing else
	}
	return s.receive(ctx, "STOR", arg, to)
}

// cmdStou stores under a name that nothing has (RFC 959, section 4.1.3), and says it in the preliminary reply (RFC 1123,
// section 4.1.2.9). A name that the client gives is its beginning.
func (s *session) cmdStou(ctx context.Context, arg string) error {
	s.offset = 0
	to := destination{Write: proxy.Write{New: true, Size: take(&s.size)}}
	if names.IsDirectoryPath(arg) { // below it may be what has the name of a file
		return reply{553, "STOU requires a file name, or none."}
	}
	return s.receive(ctx, "STOU", unique(arg), to)
}

// unique returns a name that nobody has chosen before, with the directory and the extension of the one given.
func unique(name string) string {
	ext := path.Ext(name)
	stem := cmp.Or(strings.TrimSuffix(name, ext), "stou")
	return stem + "-" + strings.ToLower(rand.Text()[:12]) + ext
}

func (s *session) cmdAppe(ctx context.Context, arg string) error {
	s.offset = 0
	to := destination{first: -1, Write: proxy.Write{Size: take(&s.size)}}
	if e := s.toldOf(arg); e.Size > 0 && !s.ascii {
		to.Base, to.before = e.ETag, e.Size
		if e.Resumable {
			to.first = e.Size
		}
	}
	return s.receive(ctx, "APPE", arg, to)
}

// A destination says where the bytes of an upload go: behind the first ones of what is there, below 0 = behind all.
type destination struct {
	proxy.Write
	first  int64
	before int64 // how many there are, as the client knows it
}

// receive runs an upload. The store is not asked first what stands under the name: that would cost a small
// file more than its own upload.
func (s *session) receive(ctx context.Context, verb, arg string, to destination) error {
	name, err := names.Resolve(s.dir, arg)
	switch {
	case err != nil:
		return err
	case to.first > 0 && s.ascii:
		return noOffsetInText
	case s.isKnown(name) && s.stillThere(ctx, name):
		return syscall.EISDIR
	}
	text, store := s.ascii, s.store
	err = s.transfer(ctx, verb, name, to.first, func(ctx context.Context, t *transfer) error {
		mark := "Opening " + kind(text) + " mode data connection."
		if verb == "STOU" {
			mark = "FILE: " + arg
		}
		return s.put(ctx, t, store, name, mark, to, text)
	})
	if err == nil {
		s.known.add(path.Dir(name))
		s.stored = name
	}
	return err
}

// An upload is the source that a Put gets, and the conscience of the program: its Commit returns nil only if there is no
// doubt that the client has sent all of the file.
//
// The data connection is made at the first Read, so that a store can refuse before the client sends a byte.
type upload struct {
	ctx               context.Context
	runs              []proxy.Run // that Next has not returned yet
	t                 *transfer
	mark              string
	least             int64                                                      // bytes announced
	before            int64                                                      // bytes of the file that are there already
	allo              proxy.Allo                                                 // what it means when fewer come
	awaitKilledClient func(ctx context.Context, t *transfer, suspect bool) error // waits out the grace, and says whether the client is still there
	commit            func() error                                               // makes sure that the upload is not aborted, and cannot be any more

	data io.Reader // what the client sends; nil before the first Read
	end  error     // of the data: once there was one, all there is

	mu     sync.Mutex
	judged bool
	void   error // why the upload is not whole; nil = it is, if it was judged
}

// Next implements proxy.Source.
func (u *upload) Next(context.Context) (proxy.Run, error) {
	if len(u.runs) == 0 {
		return proxy.Run{}, io.EOF
	}
	next := u.runs[0]
	u.runs = u.runs[1:]
	return next, nil
}

// Attributes implements proxy.Source: FTP sets the time of a file by a command of its own.
func (u *upload) Attributes() proxy.Attributes { return proxy.Attributes{} }

// Commit implements proxy.Source.
func (u *upload) Commit() error {
	if u.end != io.EOF {
		return cmp.Or(u.end, io.ErrUnexpectedEOF)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.judged {
		u.void, u.judged = u.judge(), true
	}
	return u.void
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
	return n, u.end
}

// judge says why an upload is void whose data connection ended as it should, nil if it is whole.
func (u *upload) judge() error {
	came := u.t.bytes.Load()
	short := came < u.least && came+u.before != u.least // some clients announce the whole
	if short && u.allo == proxy.AlloBinding {
		return errTooShort
	}
	if err := u.awaitKilledClient(u.ctx, u.t, short && u.allo == proxy.AlloAuto); err != nil {
		return err
	}
	return u.commit()
}

// outcome is what became of the upload when its Put has returned err, whose context was ctx.
func (u *upload) outcome(ctx context.Context, err error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.judged && u.void == nil && errors.Is(err, context.Canceled) && context.Cause(ctx) == errGoingDown:
		return fmt.Errorf("%w: %w", errUnconfirmed, err)
	case u.end != nil && u.end != io.EOF:
		return because(u.end, err)
	case u.judged && u.void != nil:
		return because(u.void, err)
	case err == nil && !u.judged:
		return io.ErrUnexpectedEOF // a store that did not ask has not stored the file
	}
	return err
}

// put runs one upload. ABOR reaches it until it commits, and no longer: from then on the store alone decides, and the
// reply says what it decided. The drain time-out ends its context even then, for a store that cannot find out in time.
func (s *session) put(ctx context.Context, t *transfer, store proxy.Store, name, mark string, to destination, text bool) error {
	put, cancel := context.WithCancelCause(t.hard)
	defer cancel(nil)
	hold := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	u := &upload{ctx: ctx, t: t, mark: mark, least: to.Size, before: to.before, allo: s.compat.Allo, awaitKilledClient: s.awaitKilledClient, commit: func() error {
		if !hold() {
			return context.Cause(ctx)
		}
		t.committed = true
		return nil
	}}
	if to.first != 0 {
		u.runs = append(u.runs, proxy.Run{Copy: &proxy.Copy{Length: to.first}})
	}
	if text {
		u.runs = append(u.runs, proxy.Run{New: &fromNet{r: u}})
		u.least, to.Size = 0, 0 // ALLO counts what is sent, not what is stored
	} else {
		u.runs = append(u.runs, proxy.Run{New: u})
	}
	made, err := store.Put(put, name, u, to.Write)
	if err = u.outcome(put, err); err == nil {
		t.stored = made
	}
	return err
}
