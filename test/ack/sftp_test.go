package ack

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

// The replies of SFTP are noted as those of FTP that mean the same, so that one model judges both. OK to CLOSE is 226.

// hostKey writes a new host key.
func hostKey(t testing.TB) string {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "host-key")
	if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// errLeft means that the client has left without a reply.
var errLeft = errors.New("the client has left")

// performSFTP runs an operation by SFTP.
func (c *client) performSFTP(o *op) error {
	s := &sftpSession{SFTP: c.sftp[o.by()], w: c.w}
	var late atomic.Bool
	timer := time.AfterFunc(patience, func() {
		late.Store(true)
		s.Close()
	})
	defer timer.Stop()
	do, code := s.request, 250
	switch {
	case o.scp && o.isUpload():
		do, code = s.scpUpload, 226
	case o.scp:
		do, code = s.scpDownload, 226
	case o.isUpload():
		do, code = s.upload, 226
	case o.verb == "RETR":
		do, code = s.download, 226
	case o.verb == "SIZE":
		code = 213
	}
	err := do(o)
	refused, ok := errors.AsType[*harness.SFTPError](err)
	switch {
	case late.Load():
		return os.ErrDeadlineExceeded
	case ok:
		o.code, o.text = ftpCode(refused), refused.Text
	case err != nil:
		return err
	default:
		o.code = code
	}
	return nil
}

// ftpCode returns the code of the FTP reply that says the same.
func ftpCode(e *harness.SFTPError) int {
	switch {
	case e.Kind != harness.SFTPStatus:
		return 500
	case e.Code == harness.SFTPNoSuchFile, e.Code == harness.SFTPPermissionDenied:
		return 550
	case strings.HasPrefix(e.Text, "Invalid offset"):
		return 554
	}
	switch e.Text {
	case "File is in use by another session, try again.":
		return 450
	case "File already exists.", "Directory not empty.", "Is a directory.", "Not a directory.":
		return 550
	}
	return 451
}

// An sftpSession is an SFTP session that runs operations.
type sftpSession struct {
	*harness.SFTP
	w *world
}

// request runs an operation that needs no handle.
func (s *sftpSession) request(o *op) error {
	name := o.by().path(o.name)
	kind, fields := byte(0), []any{name}
	switch o.verb {
	case "DELE":
		kind = harness.SFTPRemove
	case "RNTO":
		kind, fields = harness.SFTPExtended, []any{"posix-rename@openssh.com", name, o.by().path(o.to)}
	case "MFMT":
		mtime := int(timeOf(o.id).Unix())
		kind, fields = harness.SFTPSetStat, append(fields, 8, mtime, mtime)
	case "MKD":
		kind, fields = harness.SFTPMkdir, append(fields, 0)
	case "RMD":
		kind = harness.SFTPRmdir
	case "SIZE":
		kind = harness.SFTPStat
	}
	if _, err := s.Send(kind, fields...); err != nil {
		return err
	}
	switch {
	case o.cut == leave:
		o.pause.wait(holdLimit)
		return errLeft
	case o.verb == "SIZE":
		n, err := s.size()
		o.text = fmt.Sprint(n)
		return err
	}
	return s.Status()
}

// size reads the reply to STAT or FSTAT.
func (s *sftpSession) size() (int64, error) {
	r, err := s.Reply()
	if err != nil {
		return 0, err
	}
	if r.Kind != harness.SFTPAttributes {
		return 0, s.Refused(r)
	}
	rest := make([]byte, r.Rest)
	if _, err := io.ReadFull(s, rest); err != nil {
		return 0, err
	}
	if r.Number&1 == 0 {
		return 0, nil // of a directory
	}
	return int64(binary.BigEndian.Uint64(rest)), nil
}

// askOffset sets the offset of an operation that has one, by the size that STAT tells.
func (s *sftpSession) askOffset(o *op) error {
	if o.rest == none {
		return nil
	}
	if _, err := s.Send(harness.SFTPStat, o.by().path(o.name)); err != nil {
		return err
	}
	n, err := s.size()
	if errors.As(err, new(*harness.SFTPError)) {
		err = nil
	}
	o.setOffset(n)
	return err
}
