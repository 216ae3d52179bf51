package sftp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
)

// deletesOpen reports whether RENAME is the deletion of a file that the connection writes. FUSE's library, and so sshfs, renames such a
// file to .fuse_hidden*, and deletes that after the file is closed. The two may overtake each other: the client may delete what it has
// just closed before it sends CLOSE, and then forget the new name.
func (s *subsystem) deletesOpen(from, to string) bool {
	return path.Dir(from) == path.Dir(to) && strings.HasPrefix(path.Base(to), ".fuse_hidden") && s.uploads.write(from)
}

// errDeleted ends an upload whose file the client has deleted.
var errDeleted = fmt.Errorf("the client has deleted the file: %w", proxy.ErrDiscard)

// deleteOpen deletes a file, and sees to it that the CLOSE of the handles that write it publishes nothing.
func (s *subsystem) deleteOpen(ctx context.Context, a proxy.Account, name string) (reply, error) {
	stored, err := a.Store.Remove(ctx, name)
	switch {
	case err == nil:
		s.observe(ctx, event.FileDelete{Name: name, Stored: stored})
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	s.uploads.delete(name)
	return nil, nil
}
