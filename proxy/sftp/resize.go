package sftp

import (
	"context"
	"fmt"
	"io"
	"math"
	"syscall"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/packet"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/reassembly"
)

// resize gives a file another size, as SETSTAT asks. The store copies what stays; at most 64 MiB of zeros are added.
func (s *subsystem) resize(ctx context.Context, a proxy.Account, name string, e proxy.Entry, wanted packet.Attributes) error {
	size := int64(wanted.Size)
	switch {
	case wanted.Size > math.MaxInt64:
		return fmt.Errorf("a size of %d bytes: %w", wanted.Size, syscall.EFBIG)
	case e.Resumable:
		return unsupported("The file is not stored yet: resume its upload, or upload it anew.")
	case size-e.Size > reassembly.MaxZeros:
		return unsupported("At most 64 MiB of zeros can be added to a file.")
	}
	t, err := s.startTransfer(proxy.Upload, "SETSTAT", name, 0, func() int64 { return 0 })
	if err != nil {
		return err
	}
	src := &resizing{}
	if kept := min(size, e.Size); kept > 0 {
		src.runs = append(src.runs, proxy.Run{Copy: &proxy.Copy{ETag: e.ETag, Length: kept}})
	}
	added := max(size-e.Size, 0)
	if added > 0 {
		src.runs = append(src.runs, proxy.Run{New: io.LimitReader(zeros{}, added)})
	}
	if wanted.HasTimes {
		src.attributes.ModTime = timeOf(wanted)
	}
	stored, err := a.Store.Put(ctx, name, src, proxy.Write{Base: e.ETag, Size: added})
	t.finish(err, 0, stored)
	if err != nil {
		return observedError{err}
	}
	return nil
}

// A resizing is the source of a file that gets another size.
type resizing struct {
	runs       []proxy.Run
	attributes proxy.Attributes
}

// Next implements proxy.Source.
func (r *resizing) Next(context.Context) (run proxy.Run, err error) {
	if len(r.runs) == 0 {
		return run, io.EOF
	}
	run, r.runs = r.runs[0], r.runs[1:]
	return run, nil
}

// Attributes implements proxy.Source.
func (r *resizing) Attributes() proxy.Attributes { return r.attributes }

// Commit implements proxy.Source.
func (r *resizing) Commit() error { return nil }

// zeros is an endless reader of zeros.
type zeros struct{}

// Read implements io.Reader.
func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
