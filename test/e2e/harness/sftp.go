package harness

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/crypto/ssh"
)

// SFTP is a client that sends single packets (draft-ietf-secsh-filexfer-02), so that a test decides how many are in flight. Its methods
// return errors: a failing server may be the result of a test. Close ends the connection without a word, as a client that is killed.
type SFTP struct {
	net.Conn // below SSH
	Client   *ssh.Client
	Session  *ssh.Session // the channel
	in       *bufio.Reader
	out      io.WriteCloser
	id       uint32
	packet   []byte // reused
}

// Packets of SFTP.
const (
	SFTPOpen, SFTPClose, SFTPRead, SFTPWrite, SFTPFStat, SFTPSetStat, SFTPFSetStat = 3, 4, 5, 6, 8, 9, 10
	SFTPOpenDir, SFTPReadDir, SFTPRemove, SFTPMkdir, SFTPRmdir, SFTPStat           = 11, 12, 13, 14, 15, 17
	SFTPRename, SFTPExtended                                                       = 18, 200
	SFTPStatus, SFTPHandle, SFTPData, SFTPName, SFTPAttributes                     = 101, 102, 103, 104, 105
)

// Flags of SFTPOpen, and codes of SFTPStatus.
const (
	SFTPForRead, SFTPForWrite, SFTPAppend, SFTPCreate, SFTPTruncate = 1, 2, 4, 8, 16

	SFTPOK, SFTPEOF, SFTPNoSuchFile, SFTPPermissionDenied = 0, 1, 2, 3
)

// SFTPMaxData is the most bytes of a READ or WRITE, as OpenSSH's client uses it.
const SFTPMaxData = 255 * KiB

// loginTimeout limits DialSFTP. A server may be busy with many logins.
const loginTimeout = time.Minute

// DialSFTP logs in and starts the subsystem.
func DialSFTP(addr, user string, with ...ssh.AuthMethod) (*SFTP, error) {
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &SFTP{Conn: raw}
	raw.SetDeadline(time.Now().Add(loginTimeout))
	if err := c.begin(addr, &ssh.ClientConfig{
		User: user, Auth: with, HostKeyCallback: ssh.InsecureIgnoreHostKey(), Config: ssh.Config{Ciphers: []string{ssh.CipherAES128GCM}},
	}); err != nil {
		raw.Close()
		return nil, err
	}
	raw.SetDeadline(time.Time{})
	return c, nil
}

func (c *SFTP) begin(addr string, config *ssh.ClientConfig) error {
	conn, channels, requests, err := ssh.NewClientConn(c.Conn, addr, config)
	if err != nil {
		return err
	}
	c.Client = ssh.NewClient(conn, channels, requests)
	session, err := c.Client.NewSession()
	c.Session = session
	if err != nil {
		return err
	}
	if c.out, err = session.StdinPipe(); err != nil {
		return err
	}
	in, err := session.StdoutPipe()
	if err != nil {
		return err
	}
	c.in = bufio.NewReaderSize(in, 512) // large data pass it by
	if err := session.RequestSubsystem("sftp"); err != nil {
		return err
	}
	if _, err := c.out.Write([]byte{0, 0, 0, 5, 1, 0, 0, 0, 3}); err != nil { // INIT
		return err
	}
	var size [4]byte
	if _, err := io.ReadFull(c.in, size[:]); err != nil {
		return err
	}
	_, err = c.in.Discard(int(binary.BigEndian.Uint32(size[:])))
	return err
}

// CloseWrite ends the channel in order, as a client that quits.
func (c *SFTP) CloseWrite() error { return c.out.Close() }

// Send sends a request and returns its ID. Fields are strings, numbers of 32 bits (int) and 64 bits (int64), and data, which is last.
func (c *SFTP) Send(kind byte, fields ...any) (id uint32, err error) {
	data := c.encode(kind, fields)
	if _, err = c.out.Write(c.packet); err == nil && len(data) > 0 {
		_, err = c.out.Write(data)
	}
	return c.id, err
}

// SendPart sends the first n bytes of a request and returns its ID.
func (c *SFTP) SendPart(n int, kind byte, fields ...any) (id uint32, err error) {
	data := c.encode(kind, fields)
	_, err = c.out.Write(append(c.packet, data...)[:n])
	return c.id, err
}

// encode makes c.packet a request without its data, which it returns.
func (c *SFTP) encode(kind byte, fields []any) (data []byte) {
	c.id++
	b := binary.BigEndian.AppendUint32(append(c.packet[:0], 0, 0, 0, 0, kind), c.id)
	for _, f := range fields {
		switch f := f.(type) {
		case string:
			b = append(binary.BigEndian.AppendUint32(b, uint32(len(f))), f...)
		case int:
			b = binary.BigEndian.AppendUint32(b, uint32(f))
		case int64:
			b = binary.BigEndian.AppendUint64(b, uint64(f))
		case []byte:
			b, data = binary.BigEndian.AppendUint32(b, uint32(len(f))), f
		}
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)-4+len(data)))
	c.packet = b
	return data
}

// An SFTPReply is the beginning of a reply. Its caller must read Rest bytes from the client.
type SFTPReply struct {
	Kind   byte
	ID     uint32
	Number int // the code, the length of the handle or data, the number of names, or the flags of attributes
	Rest   int // bytes behind that
}

// Read implements io.Reader, for the rest of a reply.
func (c *SFTP) Read(p []byte) (int, error) { return c.in.Read(p) }

// Reply reads the beginning of the next reply.
func (c *SFTP) Reply() (r SFTPReply, err error) {
	var head [13]byte
	_, err = io.ReadFull(c.in, head[:])
	return SFTPReply{
		Kind: head[4], ID: binary.BigEndian.Uint32(head[5:]), Number: int(binary.BigEndian.Uint32(head[9:])),
		Rest: int(binary.BigEndian.Uint32(head[:])) - 9,
	}, err
}

// Discard skips the rest of a reply.
func (c *SFTP) Discard(r SFTPReply) error {
	_, err := c.in.Discard(r.Rest)
	return err
}

// An SFTPError is a reply that was not expected.
type SFTPError struct {
	Kind byte
	Code int
	Text string
}

func (e *SFTPError) Error() string {
	return fmt.Sprintf("reply of type %d: %d %q", e.Kind, e.Code, e.Text)
}

// Refused reads the rest of a reply, and returns it as an SFTPError.
func (c *SFTP) Refused(r SFTPReply) error {
	rest := make([]byte, r.Rest)
	if _, err := io.ReadFull(c.in, rest); err != nil {
		return err
	}
	text := ""
	if len(rest) >= 4 {
		text = string(rest[4:min(len(rest), 4+int(binary.BigEndian.Uint32(rest)))])
	}
	return &SFTPError{r.Kind, r.Number, text}
}

// Status reads a reply, which must be OK.
func (c *SFTP) Status() error {
	r, err := c.Reply()
	switch {
	case err != nil:
		return err
	case r.Kind != SFTPStatus || r.Number != SFTPOK:
		return c.Refused(r)
	}
	return c.Discard(r)
}

// Do sends a request, and reads a reply that must be OK.
func (c *SFTP) Do(kind byte, fields ...any) error {
	if _, err := c.Send(kind, fields...); err != nil {
		return err
	}
	return c.Status()
}

// Handle sends SFTPOpen or SFTPOpenDir, and returns the handle.
func (c *SFTP) Handle(kind byte, fields ...any) (string, error) {
	if _, err := c.Send(kind, fields...); err != nil {
		return "", err
	}
	r, err := c.Reply()
	if err != nil {
		return "", err
	}
	if r.Kind != SFTPHandle {
		return "", c.Refused(r)
	}
	handle := make([]byte, r.Rest)
	_, err = io.ReadFull(c.in, handle)
	return string(handle), err
}

// Put stores a file of size bytes as OpenSSH's client does, with inFlight requests at a time.
func (c *SFTP) Put(name string, content io.Reader, size int64, inFlight int) error {
	handle, err := c.Handle(SFTPOpen, name, SFTPForWrite|SFTPCreate|SFTPTruncate, 0)
	if err != nil {
		return err
	}
	data, waiting := make([]byte, min(size, SFTPMaxData)), 0
	for at := int64(0); at < size || waiting > 0; {
		if at == size || waiting == inFlight {
			if err := c.Status(); err != nil {
				return err
			}
			waiting--
			continue
		}
		n, err := io.ReadFull(content, data[:min(size-at, int64(len(data)))])
		if err != nil {
			return err
		}
		if _, err := c.Send(SFTPWrite, handle, at, data[:n]); err != nil {
			return err
		}
		at, waiting = at+int64(n), waiting+1
	}
	return c.Do(SFTPClose, handle)
}

// Get reads a file of size bytes as OpenSSH's client does, with inFlight requests at a time.
func (c *SFTP) Get(name string, to io.Writer, size int64, inFlight int) error {
	handle, err := c.Handle(SFTPOpen, name, SFTPForRead, 0)
	if err != nil {
		return err
	}
	data, waiting, got := make([]byte, min(size, SFTPMaxData)), 0, int64(0)
	for asked := int64(0); asked < size || waiting > 0; {
		if asked < size && waiting < inFlight {
			n := min(size-asked, int64(len(data)))
			if _, err := c.Send(SFTPRead, handle, asked, int(n)); err != nil {
				return err
			}
			asked, waiting = asked+n, waiting+1
			continue
		}
		n, err := c.data(data)
		if err != nil {
			return err
		}
		if _, err := to.Write(data[:n]); err != nil {
			return err
		}
		got, waiting = got+int64(n), waiting-1
	}
	if got != size {
		return fmt.Errorf("%d bytes, want %d", got, size)
	}
	return c.Do(SFTPClose, handle)
}

// data reads a reply to READ.
func (c *SFTP) data(into []byte) (n int, err error) {
	r, err := c.Reply()
	switch {
	case err != nil:
		return 0, err
	case r.Kind != SFTPData:
		return 0, c.Refused(r)
	case r.Number > len(into):
		return 0, errors.New("more bytes than asked for")
	}
	return io.ReadFull(c.in, into[:r.Number])
}
