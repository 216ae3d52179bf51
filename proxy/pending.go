package proxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"syscall"
	"time"
)

// A pendingFile is an upload that broke and can be resumed: there is no file of that name yet, but so many bytes of
// one are safe.
type pendingFile struct {
	name string
	safe int64
}

// A toldSize is what a client has heard of the size of a file, or of a pendingFile: it may go on from there with APPE.
type toldSize struct {
	name  string
	size  int64
	whole bool // it is a file's
}

func (p pendingFile) Name() string     { return path.Base(p.name) }
func (p pendingFile) Size() int64      { return p.safe }
func (pendingFile) Mode() fs.FileMode  { return 0o200 }
func (pendingFile) ModTime() time.Time { return time.Time{} }
func (pendingFile) IsDir() bool        { return false }
func (pendingFile) Sys() any           { return nil }

// stands returns the offset that an error of a store tells.
func stands(err error) (offset int64, ok bool) {
	at, ok := errors.AsType[interface {
		error
		Offset() int64
	}](err)
	if !ok {
		return 0, false
	}
	return at.Offset(), true
}

// look describes what has a name, and if there is nothing, the upload to it that can be resumed. Which size a client
// has heard, its APPE begins with.
func (s *session) look(ctx context.Context, name string) (fs.FileInfo, error) {
	info, err := s.store.Stat(ctx, name)
	if n, ok := stands(err); ok && errors.Is(err, fs.ErrNotExist) {
		s.told = toldSize{name, n, false}
		return pendingFile{name, n}, nil
	}
	if err == nil && !info.IsDir() {
		s.told = toldSize{name, info.Size(), true}
	}
	return info, err
}

// toldOf takes what the client has heard of the size of a file, the zero value if that was of another one.
func (s *session) toldOf(arg string) toldSize {
	told := take(&s.told)
	if name, err := resolve(s.dir, arg); err != nil || name != told.name {
		return toldSize{}
	}
	return told
}

// atWrongOffset refuses an upload to an offset that does not fit, and says which one does.
func atWrongOffset(err error) (reply, bool) {
	n, ok := stands(err)
	if !ok || !errors.Is(err, syscall.ESPIPE) {
		return reply{}, false
	}
	if n == 0 {
		return reply{554, "That offset does not fit, there is nothing to go on with: begin at 0."}, true
	}
	return reply{554, fmt.Sprintf("That offset does not fit, %d bytes are here: say REST %d.", n, n)}, true
}
