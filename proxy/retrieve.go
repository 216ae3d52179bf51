package proxy

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"
)

// kind names the representation type in the preliminary reply.
func kind(text bool) string {
	if text {
		return "ASCII"
	}
	return "BINARY"
}

func (s *session) cmdRetr(ctx context.Context, arg string) (reply, error) {
	offset, text, store := take(&s.offset), s.ascii, s.store
	s.size = 0
	name, err := resolve(s.dir, arg)
	switch {
	case err != nil:
		return reply{}, err
	case offset > 0 && text:
		return noOffsetInText, nil
	}
	return s.transfer(ctx, "RETR", name, func(ctx context.Context, t *transfer) error {
		body, err := store.Open(ctx, name, offset)
		if err != nil {
			return err
		}
		defer body.Close()
		err = t.connect(ctx, fmt.Sprintf("Opening %s mode data connection for %s%s.", kind(text), path.Base(name), sizeOf(body)))
		if err != nil {
			return err
		}
		return t.send(func(w io.Writer) error {
			if text {
				w = &toNet{w: w}
			}
			_, err := io.Copy(w, body)
			return err
		})
	})
}

// sizeOf returns the size of an open file as clients look for it in the preliminary reply, or nothing.
func sizeOf(body io.Reader) string {
	f, ok := body.(interface{ Stat() (fs.FileInfo, error) })
	if !ok {
		return ""
	}
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (%d bytes)", info.Size())
}
