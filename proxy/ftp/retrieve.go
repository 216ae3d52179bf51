package ftp

import (
	"context"
	"fmt"
	"io"
	"path"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/names"
)

// typeName returns the name of the representation type.
func typeName(ascii bool) string {
	if ascii {
		return "ASCII"
	}
	return "BINARY"
}

func (s *session) cmdRetr(ctx context.Context, arg string) error {
	offset, ascii, store := take(&s.restOffset), s.ascii, s.store
	s.alloSize = 0
	name, err := names.Resolve(s.dir, arg)
	switch {
	case err != nil:
		return err
	case offset > 0 && ascii:
		return errASCIIOffset
	}
	return s.transfer(ctx, "RETR", name, offset, func(ctx context.Context, t *transfer) error {
		body, err := store.Open(ctx, name, proxy.Range{Offset: offset})
		if err != nil {
			return err
		}
		defer body.Close()
		err = t.connect(ctx, fmt.Sprintf("Opening %s mode data connection for %s (%d bytes).", typeName(ascii), path.Base(name), body.Entry().Size))
		if err != nil {
			return err
		}
		t.stored = body.Stored()
		return t.send(func(w io.Writer) error {
			if ascii {
				w = &asciiWriter{w: w}
			}
			_, err := io.Copy(w, body)
			return err
		})
	})
}
