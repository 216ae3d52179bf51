package sftp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// dial logs in and starts the subsystem.
func (s *server) dial(t testing.TB) *harness.SFTP {
	t.Helper()
	c, err := harness.DialSFTP(s.addr, harness.User, ssh.Password(harness.Password))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// stat returns the size of a file.
func stat(c *harness.SFTP, name string) (size int64, err error) {
	if _, err := c.Send(harness.SFTPStat, name); err != nil {
		return 0, err
	}
	r, err := c.Reply()
	if err != nil {
		return 0, err
	}
	if r.Kind != harness.SFTPAttributes {
		return 0, c.Refused(r)
	}
	rest := make([]byte, r.Rest)
	if _, err := io.ReadFull(c, rest); err != nil {
		return 0, err
	}
	return int64(binary.BigEndian.Uint64(rest)), nil
}

// setSize sends FSETSTAT with a size.
func setSize(c *harness.SFTP, handle string, size int64) error {
	return c.Do(harness.SFTPFSetStat, handle, 1, size)
}

// write sends WRITEs from an offset on, and waits for the replies.
func write(c *harness.SFTP, handle string, content []byte, offset int64) error {
	for len(content) > 0 {
		n := min(len(content), int(harness.SFTPMaxData))
		if err := c.Do(harness.SFTPWrite, handle, offset, content[:n]); err != nil {
			return err
		}
		content, offset = content[n:], offset+int64(n)
	}
	return nil
}

// endings are ways to end an upload that are not CLOSE. An error is one of the test.
var endings = map[string]func(c *harness.SFTP, handle string) error{
	"reset": func(c *harness.SFTP, _ string) error {
		c.Conn.(*net.TCPConn).SetLinger(0)
		return c.Conn.Close()
	},
	"FIN":         func(c *harness.SFTP, _ string) error { return c.Conn.Close() },
	"channel EOF": func(c *harness.SFTP, _ string) error { return c.CloseWrite() },
	"channel closed": func(c *harness.SFTP, _ string) error {
		return c.Session.Close()
	},
	"half a WRITE": func(c *harness.SFTP, handle string) error {
		_, err := c.SendPart(30_000, harness.SFTPWrite, handle, int64(0), make([]byte, 60_000))
		return errors.Join(err, c.CloseWrite())
	},
	"half a CLOSE": func(c *harness.SFTP, handle string) error {
		_, err := c.SendPart(10, harness.SFTPClose, handle)
		return errors.Join(err, c.CloseWrite())
	},
	"packet too large": func(c *harness.SFTP, handle string) error {
		_, err := c.Send(harness.SFTPWrite, handle, int64(0), make([]byte, 300_000))
		return errors.Join(err, refusedAs(c, 5), endOf(c))
	},
	"CLOSE of another handle": func(c *harness.SFTP, handle string) error {
		if err := refusedBy(c.Do(harness.SFTPClose, handle+"0")); err != nil {
			return err
		}
		return c.CloseWrite()
	},
	"WRITE far beyond the end, then CLOSE": func(c *harness.SFTP, handle string) error {
		if err := c.Do(harness.SFTPWrite, handle, 100*harness.GiB, []byte("x")); err != nil {
			return err
		}
		return refusedBy(c.Do(harness.SFTPClose, handle))
	},
	"a larger size announced, then CLOSE": func(c *harness.SFTP, handle string) error {
		if err := setSize(c, handle, 100*harness.MiB); err != nil {
			return err
		}
		return refusedBy(c.Do(harness.SFTPClose, handle))
	},
}

// refusedBy returns an error unless err is that of a refused request.
func refusedBy(err error) error {
	if _, ok := errors.AsType[*harness.SFTPError](err); ok {
		return nil
	}
	return fmt.Errorf("it is not refused, but: %w", errors.Join(err, errors.New("OK")))
}

// refusedAs returns an error unless the next reply is a status with this code.
func refusedAs(c *harness.SFTP, code int) error {
	if e, ok := errors.AsType[*harness.SFTPError](c.Status()); !ok || e.Code != code {
		return fmt.Errorf("the reply is %v, want code %d", e, code)
	}
	return nil
}

// endOf returns an error unless the server has ended the channel.
func endOf(c *harness.SFTP) error {
	if n, err := c.Read(make([]byte, 1)); n > 0 || err != io.EOF {
		return fmt.Errorf("after the last reply, %d bytes and %v, want EOF", n, err)
	}
	return nil
}

// TestEndings ends uploads in all ways but CLOSE: nothing is published, and the upload goes on where STAT says.
func TestEndings(t *testing.T) {
	s3 := real.MinIO(t)
	bucket := harness.NewBucket(t, s3)
	b := start(t, s3)
	content := harness.Block()
	content = append(bytes.Clone(content), content[:5*harness.MiB]...) // 13 MiB, more than is kept until CLOSE
	sum, oldSum := harness.SumOf(t, bytes.NewReader(content)), harness.SumOf(t, strings.NewReader(harness.OldContent))
	type ending struct {
		old  bool
		size int // bytes that are written before the end
		end  func(*harness.SFTP, string) error
	}
	cases := make(map[string]ending)
	for name, end := range endings {
		for _, size := range []int{100_000, 10_000_000} {
			cases[fmt.Sprintf("%s after %d", name, size)] = ending{false, size, end}
			cases[fmt.Sprintf("%s after %d, old object", name, size)] = ending{true, size, end}
		}
	}
	harness.SomeAtOnce(t, 4, cases, func(t *testing.T, name string, e ending) {
		want := "absent"
		if e.old {
			want = oldSum
			bucket.Put(name, harness.OldContent)
		}
		c := b.dial(t)
		peer := c.Conn.LocalAddr().String()
		handle, err := c.Handle(harness.SFTPOpen, "/"+name, harness.SFTPForWrite|harness.SFTPCreate|harness.SFTPTruncate, 0)
		if err == nil {
			err = write(c, handle, content[:e.size], 0)
		}
		if err == nil {
			err = e.end(c, handle)
		}
		if err != nil {
			t.Fatal(err)
		}
		b.Log.Await(t, "transfer", "name=/"+name)
		c.Close()
		b.Log.Await(t, "session ends", "peer="+peer)
		if got := bucket.Sum(name); got != want {
			t.Errorf("S3 has %s, want %s", got, want)
		}
		if !e.old {
			resumeWhole(t, b, "/"+name, content, int64(e.size))
			if got := bucket.Sum(name); got != sum {
				t.Errorf("after resuming, S3 has %s, want %s", got, sum)
			}
		}
	})
}

// leastKept is how many bytes an interrupted upload must have to be kept.
const leastKept = 5 * harness.MiB

// resumeWhole sends what is missing of a file, of which so many bytes were written. Less than one WRITE of them may be lost.
func resumeWhole(t *testing.T, b *server, name string, content []byte, written int64) {
	t.Helper()
	c := b.dial(t)
	size, err := stat(c, name)
	kept := written >= leastKept
	if kept == (err != nil) || size > written || kept && size < written-harness.SFTPMaxData {
		t.Fatalf("STAT says %d, %v after %d bytes", size, err, written)
	}
	handle, err := c.Handle(harness.SFTPOpen, name, harness.SFTPForWrite|harness.SFTPCreate, 0)
	if err == nil {
		err = write(c, handle, content[size:], size)
	}
	if err == nil {
		err = c.Do(harness.SFTPClose, handle)
	}
	if err != nil {
		t.Error(err)
	}
}

// TestInterruptedReput: OpenSSH's reput appends, and at an interrupt sends FSETSTAT with size 0 and CLOSE. What was there stays, and the
// upload goes on.
func TestInterruptedReput(t *testing.T) {
	s3 := real.MinIO(t)
	bucket := harness.NewBucket(t, s3)
	b := start(t, s3)
	content := harness.Block()
	sum, oldSum := harness.SumOf(t, bytes.NewReader(content)), harness.SumOf(t, bytes.NewReader(content[:6*harness.MiB]))
	for name, old := range map[string]bool{"broken upload": false, "object": true} {
		t.Run(name, func(t *testing.T) {
			want, c := "absent", b.dial(t)
			if old {
				want = oldSum
				bucket.Put(name, string(content[:6*harness.MiB]))
			} else if err := errors.Join(breakUpload(c, "/"+name, content[:6*harness.MiB]), c.Client.Wait()); err == nil {
				t.Fatal("the connection was not lost")
			}
			c = b.dial(t)
			harness.Until(t, "STAT", func() bool { _, err := stat(c, "/"+name); return err == nil })
			size, err := stat(c, "/"+name)
			if err != nil {
				t.Fatal(err)
			}
			handle, err := c.Handle(harness.SFTPOpen, "/"+name, harness.SFTPForWrite|harness.SFTPAppend|harness.SFTPCreate, 0)
			if err == nil {
				err = write(c, handle, content[size:7*harness.MiB], size)
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(refusedBy(setSize(c, handle, 0)), refusedBy(c.Do(harness.SFTPClose, handle))); err != nil {
				t.Error(err)
			}
			if got := bucket.Sum(name); got != want {
				t.Errorf("S3 has %s, want %s", got, want)
			}
			if size, err := stat(c, "/"+name); err != nil || size < 6*harness.MiB-1 {
				t.Errorf("then STAT says %d, %v", size, err)
			}
			size, _ = stat(c, "/"+name)
			handle, err = c.Handle(harness.SFTPOpen, "/"+name, harness.SFTPForWrite|harness.SFTPAppend|harness.SFTPCreate, 0)
			if err == nil {
				err = write(c, handle, content[size:], size)
			}
			if err := errors.Join(err, c.Do(harness.SFTPClose, handle)); err != nil {
				t.Error(err)
			}
			if got := bucket.Sum(name); got != sum {
				t.Errorf("after resuming, S3 has %s, want %s", got, sum)
			}
		})
	}
}

// breakUpload writes a part of a file and ends the connection without CLOSE.
func breakUpload(c *harness.SFTP, name string, content []byte) error {
	handle, err := c.Handle(harness.SFTPOpen, name, harness.SFTPForWrite|harness.SFTPCreate|harness.SFTPTruncate, 0)
	if err != nil {
		return err
	}
	if err := write(c, handle, content, 0); err != nil {
		return err
	}
	return c.Conn.Close()
}
