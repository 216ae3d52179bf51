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
	"github.com/s3ftpd/s3ftpd/proxy/names"
)

// isUpload reports whether a command sends a file to the server.
func isUpload(verb string) bool { return verb == "STOR" || verb == "STOU" || verb == "APPE" }

func (s *session) cmdStor(ctx context.Context, arg string) error {
	to := destination{offset: take(&s.restOffset), Write: proxy.Write{Size: take(&s.alloSize)}}
	to.existing = to.offset
	if e := s.takeReported(arg); e.Resumable && to.offset > 0 && to.offset == e.Size {
		to.Base = e.ETag // resume the interrupted upload; the offset does not mean the published file
	}
	return s.receive(ctx, "STOR", arg, to)
}

// cmdStou stores under a new name (RFC 959, section 4.1.3), which the preliminary reply has (RFC 1123, section 4.1.2.9). The name
// begins with the argument.
func (s *session) cmdStou(ctx context.Context, arg string) error {
	s.restOffset = 0
	to := destination{Write: proxy.Write{New: true, Size: take(&s.alloSize)}}
	if names.IsDirectoryPath(arg) { // a file may have the directory's name
		return reply{553, "STOU requires a file name, or none."}
	}
	return s.receive(ctx, "STOU", uniqueName(arg), to)
}

// uniqueName returns a random name with the directory, stem and extension of name.
func uniqueName(name string) string {
	ext := path.Ext(name)
	stem := cmp.Or(strings.TrimSuffix(name, ext), "stou")
	return stem + "-" + strings.ToLower(rand.Text()[:12]) + ext
}

func (s *session) cmdAppe(ctx context.Context, arg string) error {
	s.restOffset = 0
	to := destination{offset: -1, Write: proxy.Write{Size: take(&s.alloSize)}}
	if e := s.takeReported(arg); e.Size > 0 && !s.ascii {
		to.Base, to.existing = e.ETag, e.Size
		if e.Resumable {
			to.offset = e.Size
		}
	}
	return s.receive(ctx, "APPE", arg, to)
}

// A destination is where an upload continues the file: after its first offset bytes, or at its end if offset < 0.
type destination struct {
	proxy.Write
	offset   int64
	existing int64 // their number, as reported to the client
}

// receive runs an upload. It does not stat the name first: a request more would cost as much as a small upload itself.
func (s *session) receive(ctx context.Context, verb, arg string, to destination) error {
	name, err := names.Resolve(s.dir, arg)
	switch {
	case err != nil:
		return err
	case to.offset > 0 && s.ascii:
		return errASCIIOffset
	case s.isKnown(name) && s.stillExists(ctx, name):
		return syscall.EISDIR
	}
	ascii, store := s.ascii, s.store
	err = s.transfer(ctx, verb, name, to.offset, func(ctx context.Context, t *transfer) error {
		opening := "Opening " + typeName(ascii) + " mode data connection."
		if verb == "STOU" {
			opening = "FILE: " + arg
		}
		return s.put(ctx, t, store, name, opening, to, ascii)
	})
	if err == nil {
		s.known.Add(path.Dir(name))
		s.lastStored = name
	}
	return err
}

// An upload is the proxy.Source passed to Store.Put. Its Commit returns nil only if the client has certainly sent the whole file.
//
// The first Read establishes the data connection, so that a store can refuse before the client sends.
type upload struct {
	ctx               context.Context
	runs              []proxy.Run // not yet returned by Next
	t                 *transfer
	opening           string
	announced         int64                                                      // bytes, by ALLO
	existing          int64                                                      // bytes of the file before the upload
	allo              proxy.Allo                                                 // meaning of fewer bytes than announced
	awaitKilledClient func(ctx context.Context, t *transfer, suspect bool) error // returns an error if the client was killed
	commit            func() error                                               // makes the upload uncancellable, or returns why it was cancelled

	data    io.Reader // the client's data; nil before the first Read
	readErr error     // first error of data; Read returns it again

	mu      sync.Mutex
	judged  bool
	verdict error // why the upload is incomplete; nil = complete if judged
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

// Attributes implements proxy.Source. FTP sets the time of a file by another command.
func (u *upload) Attributes() proxy.Attributes { return proxy.Attributes{} }

// Commit implements proxy.Source.
func (u *upload) Commit() error {
	if u.readErr != io.EOF {
		return cmp.Or(u.readErr, io.ErrUnexpectedEOF)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.judged {
		u.verdict, u.judged = u.judge(), true
	}
	return u.verdict
}

func (u *upload) Read(p []byte) (n int, err error) {
	if u.readErr != nil {
		return 0, u.readErr
	}
	if u.t.conn == nil {
		if u.readErr = u.t.connect(u.ctx, u.opening); u.readErr != nil {
			return 0, u.readErr
		}
	}
	if u.data == nil {
		u.data = u.t.received()
	}
	n, u.readErr = u.data.Read(p)
	return n, u.readErr
}

// judge returns why an upload whose data connection ended in order is incomplete, or nil.
func (u *upload) judge() error {
	came := u.t.bytes.Load()
	short := came < u.announced && came+u.existing != u.announced // some clients announce the size of the whole file
	if short && u.allo == proxy.AlloBinding {
		return errTooShort
	}
	if err := u.awaitKilledClient(u.ctx, u.t, short && u.allo == proxy.AlloAuto); err != nil {
		return err
	}
	return u.commit()
}

// outcome returns the error of the upload, given the error and the context of Put.
func (u *upload) outcome(ctx context.Context, err error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.judged && u.verdict == nil && errors.Is(err, context.Canceled) && context.Cause(ctx) == errDrainTimeout:
		return fmt.Errorf("%w: %w", errUnconfirmed, err)
	case u.readErr != nil && u.readErr != io.EOF:
		return because(u.readErr, err)
	case u.judged && u.verdict != nil:
		return because(u.verdict, err)
	case err == nil && !u.judged:
		return io.ErrUnexpectedEOF // a store that did not call Commit has not stored the file
	}
	return err
}

// put runs an upload. ABOR cancels it until it is committed; after that the store alone decides, and the reply is its result. The
// drain timeout cancels the context even then.
func (s *session) put(ctx context.Context, t *transfer, store proxy.Store, name, opening string, to destination, ascii bool) error {
	put, cancel := context.WithCancelCause(t.hard)
	defer cancel(nil)
	stopAbort := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	u := &upload{ctx: ctx, t: t, opening: opening, announced: to.Size, existing: to.existing, allo: s.compat.Allo,
		awaitKilledClient: s.awaitKilledClient, commit: func() error {
			if !stopAbort() {
				return context.Cause(ctx)
			}
			t.committed = true
			return nil
		}}
	if to.offset != 0 {
		u.runs = append(u.runs, proxy.Run{Copy: &proxy.Copy{Length: to.offset}})
	}
	if ascii {
		u.runs = append(u.runs, proxy.Run{New: &asciiReader{r: u}})
		u.announced, to.Size = 0, 0 // ALLO counts the bytes sent, before the conversion
	} else {
		u.runs = append(u.runs, proxy.Run{New: u})
	}
	made, err := store.Put(put, name, u, to.Write)
	t.stored = proxy.Stored{Bucket: made.Bucket, Key: made.Key}
	if err = u.outcome(put, err); err == nil {
		t.stored = made
	}
	return err
}
