package parity

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

// An sftpClient is a session of SFTP.
type sftpClient struct {
	*side
	*harness.SFTP
	addr string
}

func dialSFTP(s *side, addr string) *sftpClient {
	conn, err := harness.DialSFTP(addr, "user", ssh.Password("secret"))
	if err != nil {
		s.Fatal(err)
	}
	return &sftpClient{s, conn, addr}
}

func (c *sftpClient) close() { c.SFTP.Close() }

// Requests that package harness has no names for.
const (
	sftpSetStat, sftpMkdir, sftpRmdir, sftpExtended = 9, 14, 15, 200
)

// codes are the codes of errors that have one of their own, by their text.
var codes = map[string]int{"No such file or directory.": 2, "Permission denied.": 3}

// seen returns what a user sees of the result of a request.
func (c *sftpClient) seen(err error) string {
	refused, ok := err.(*harness.SFTPError)
	switch {
	case err == nil:
		return "ok"
	case !ok:
		c.Fatal(err)
	case refused.Kind != harness.SFTPStatus:
		c.Fatalf("a reply of type %d", refused.Kind)
	}
	if m := storedBytes.FindStringSubmatch(refused.Text); m != nil {
		return "error: the offset must be " + m[1]
	}
	if code := codes[refused.Text]; code != 0 && code != refused.Code || code == 0 && refused.Code < 4 {
		return fmt.Sprintf("error: %s (code %d)", refused.Text, refused.Code)
	}
	return "error: " + refused.Text
}

// A reply is what follows the ID in a reply.
type reply []byte

func (r *reply) number() int {
	n := binary.BigEndian.Uint32(*r)
	*r = (*r)[4:]
	return int(n)
}

func (r *reply) text() string {
	n := r.number()
	text := string((*r)[:n])
	*r = (*r)[n:]
	return text
}

// ask returns the reply to a request, which must be of this kind.
func (c *sftpClient) ask(kind, want byte, fields ...any) (reply, error) {
	if _, err := c.Send(kind, fields...); err != nil {
		return nil, err
	}
	head, err := c.Reply()
	if err != nil {
		return nil, err
	}
	if head.Kind != want {
		return nil, c.Refused(head)
	}
	body := binary.BigEndian.AppendUint32(nil, uint32(head.Number))
	rest := make([]byte, head.Rest)
	_, err = io.ReadFull(c.SFTP, rest)
	return append(body, rest...), err
}

// entry takes attributes from a reply, and returns what a user sees of them.
func (r *reply) entry() string {
	flags, size, mtime := r.number(), 0, time.Now()
	if flags&1 != 0 {
		size = r.number()<<32 + r.number()
	}
	if flags&2 != 0 {
		*r = (*r)[8:]
	}
	mode := r.number()
	if flags&8 != 0 {
		r.number()
		mtime = time.Unix(int64(r.number()), 0)
	}
	if mode&0o040000 != 0 {
		return "dir"
	}
	return fmt.Sprintf("file %d %s", size, seenTime(mtime))
}

func (c *sftpClient) stat(name string) string {
	attributes, err := c.ask(harness.SFTPStat, harness.SFTPAttributes, name)
	if err != nil {
		return c.seen(err)
	}
	return attributes.entry()
}

func (c *sftpClient) list(dir string) string {
	handle, err := c.Handle(harness.SFTPOpenDir, dir)
	if err != nil {
		return c.seen(err)
	}
	var all []string
	for {
		names, err := c.ask(harness.SFTPReadDir, harness.SFTPName, handle)
		if refused, ok := err.(*harness.SFTPError); ok && refused.Code == harness.SFTPEOF {
			break
		} else if err != nil {
			return c.seen(err)
		}
		for n := names.number(); n > 0; n-- {
			name := names.text()
			names.text()
			all = append(all, name+": "+names.entry())
		}
	}
	slices.Sort(all)
	return strings.Join(append(all, c.seen(c.Do(harness.SFTPClose, handle))), ", ")
}

func (c *sftpClient) get(name, offset string) string {
	handle, err := c.Handle(harness.SFTPOpen, name, harness.SFTPForRead, 0)
	if err != nil {
		return c.seen(err)
	}
	from, _ := strconv.ParseInt(offset, 10, 64)
	seen, data := "ok", ""
	switch got, err := c.ask(harness.SFTPRead, harness.SFTPData, handle, from, 1<<16); {
	case err == nil:
		data = got.text()
	case err.(*harness.SFTPError).Code != harness.SFTPEOF:
		seen = c.seen(err)
	}
	c.Do(harness.SFTPClose, handle)
	return strings.TrimSpace(seen + " " + data)
}

// write opens a file, writes once, and closes it. It returns the first error.
func (c *sftpClient) write(name string, flags int, offset int64, data string) string {
	handle, err := c.Handle(harness.SFTPOpen, name, flags, 0)
	if err != nil {
		return c.seen(err)
	}
	if data != "" {
		err = c.Do(harness.SFTPWrite, handle, offset, []byte(data))
	}
	if closed := c.Do(harness.SFTPClose, handle); err == nil {
		err = closed
	}
	return c.seen(err)
}

const forNew = harness.SFTPForWrite | harness.SFTPCreate

func (c *sftpClient) put(name, data string) string {
	return c.write(name, forNew|harness.SFTPTruncate, 0, data)
}

func (c *sftpClient) add(name, data string) string {
	return c.write(name, forNew|harness.SFTPAppend, 0, data)
}

func (c *sftpClient) resume(name, offset, data string) string {
	at, err := strconv.ParseInt(offset, 10, 64)
	if err != nil {
		c.Error(err)
	}
	return c.write(name, forNew, at, data)
}

func (c *sftpClient) breakOff(name, data string) string {
	lost := dialSFTP(c.side, c.addr)
	handle, err := lost.Handle(harness.SFTPOpen, name, forNew|harness.SFTPTruncate, 0)
	if err == nil {
		err = lost.Do(harness.SFTPWrite, handle, int64(0), []byte(data))
	}
	if err != nil {
		return c.seen(err)
	}
	for len(c.ended) > 0 {
		<-c.ended
	}
	lost.close()
	<-c.ended
	return "lost"
}

func (c *sftpClient) remove(name string) string { return c.seen(c.Do(harness.SFTPRemove, name)) }
func (c *sftpClient) mkdir(dir string) string   { return c.seen(c.Do(sftpMkdir, dir, 0)) }
func (c *sftpClient) rmdir(dir string) string   { return c.seen(c.Do(sftpRmdir, dir)) }

func (c *sftpClient) rename(from, to string) string {
	return c.seen(c.Do(harness.SFTPRename, from, to))
}

func (c *sftpClient) replace(from, to string) string {
	return c.seen(c.Do(sftpExtended, "posix-rename@openssh.com", from, to))
}

func (c *sftpClient) setTime(seconds, name string) string {
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		c.Error(err)
	}
	return c.seen(c.Do(sftpSetStat, name, 8, int(n), int(n)))
}
