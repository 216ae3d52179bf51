package s3fs

import (
	"context"
	"fmt"
	"io"
	"syscall"
	"time"
)

// Write says how a Put begins. The zero value replaces what is there, with a content of unknown length.
type Write = struct {
	Offset int64 // where the first byte goes; the bytes before it are kept
	Broken bool  // the bytes before Offset are those of an upload that broke, and of nothing else
	Append bool  // begin at the end, wherever that is
	New    bool  // the name must be free, else fs.ErrExist
	Size   int64 // bytes to come, as announced; 0 = unknown
}

// publishing is the longest that S3 may take to make a content an object, with all repetitions of the request.
const publishing = 15 * time.Minute

// Put makes r, read to io.EOF, the content of the file. When it returns nil, S3 has confirmed the whole.
//
// Any other error from r is returned, and so are S3's; the file is then what it was before. An upload for which no
// memory comes free within Options.Stall is syscall.ENOBUFS, one longer than S3 takes in the parts that memory
// allows syscall.EFBIG.
//
// What S3 has received of a Put that fails is kept for Options.Resume, if that is at least 5 MiB: its multipart upload
// stays open, and whoever has access to the bucket can go on, with Offset where it stands, which the errors of Stat and
// Put tell. After an error of r that is syscall.EBADMSG nothing is kept, as nobody knows from where on it is wrong.
// Another Offset, or Append, keeps that much of the object that is there. An offset that does not fit is
// syscall.ESPIPE, and the error has a method Offset() int64 for the one that does. So is Append with an Offset, if there
// is a broken upload that is newer than the object.
//
// When ctx ends before r does, nothing is published; afterwards it no longer counts.
func (f *FS) Put(ctx context.Context, name string, r io.Reader, w Write) error {
	key, err := f.file(name)
	if err != nil {
		return wrap("put", name, err)
	}
	return wrap("put", name, f.put(ctx, key, r, w))
}

func (f *FS) put(ctx context.Context, key string, r io.Reader, w Write) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	u, err := f.prepare(ctx, key, w)
	if err != nil {
		return err
	}
	defer u.close()
	if h, ok := r.(interface{ Hold() func() error }); ok {
		u.hold(h.Hold())
	}
	return u.run(r)
}

// prepare prepares an upload, according to what is there already if w says that some of it is to be kept.
func (f *FS) prepare(ctx context.Context, key string, w Write) (*upload, error) {
	switch {
	case w.Offset < 0:
		return nil, fmt.Errorf("offset %d: %w", w.Offset, syscall.ESPIPE)
	case w.Append, w.Offset > 0:
		return f.goOn(ctx, key, w)
	}
	return f.upload(ctx, key, w, 0)
}

// run receives the content. Up to one part is sent as a whole; of a longer one each part is sent while the next is
// received.
func (u *upload) run(r io.Reader) error {
	p := u.part()
	err := u.peek(r) // before any memory: nobody has to wait for it to hear that an upload may begin
	if err == io.EOF && u.base.unchanged() {
		return u.order()
	}
	if err == nil || err == io.EOF {
		if failed := u.base.begin(u, p); failed != nil {
			err = failed
		}
	}
	if err == nil {
		err = u.next(p, r)
	}
	p.seal()
	if err != nil {
		u.ends()
	}
	switch {
	case err == io.EOF && !u.inParts():
		return u.whole(p)
	case err == io.EOF, err == nil:
		return u.multipart(p, r, err)
	}
	u.rest = p
	return u.broke(err)
}
