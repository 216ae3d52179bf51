package packet

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// MaxSize limits the bytes of a packet after its length, and MaxData the bytes of data of a READ or WRITE.
const (
	MaxSize = 256<<10 + 1<<10
	MaxData = 255 << 10
)

// ErrMalformed means that a packet cannot be parsed, or is too long. What follows it cannot be understood either.
var ErrMalformed = errors.New("malformed packet")

// A Request is a request of the client. A field is set only if the type has it.
type Request struct {
	Type Type
	ID   uint32 // of INIT, the version

	Path       string
	Target     string // RENAME: the new name; SYMLINK: the second path
	Handle     string
	Offset     uint64 // READ, WRITE
	Length     int    // READ: bytes asked for; WRITE: bytes of data, which Reader.Data reads
	Flags      uint32 // OPEN
	Attributes Attributes
	Extension  string // EXTENDED: the name
	Data       []byte // EXTENDED: what follows the name; valid until the next packet
}

// A Reader reads requests. It is used by one goroutine.
type Reader struct {
	r     *bufio.Reader
	err   error // of r, in the data of a WRITE
	begun bool  // a packet has begun that may not have ended
	rest  int   // bytes of data of a WRITE that were not read
	body  []byte
}

// NewReader returns a reader of the requests on r.
func NewReader(r io.Reader) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, 512)} // large data pass it by
}

// Next reads the next request, and skips what Data has not read of the one before. The error is io.EOF at the end of r between two
// packets, and ErrMalformed if the packet cannot be parsed; the request then has its type and ID as far as they are known. Any other
// error is one of r.
func (r *Reader) Next() (Request, error) {
	if r.rest > 0 {
		if _, err := io.CopyN(io.Discard, r, int64(r.rest)); err != nil {
			return Request{}, unexpected(err)
		}
	}
	r.begun = false
	if _, err := r.r.Peek(1); err != nil {
		return Request{}, err
	}
	r.begun = true
	var head [9]byte // length, type, ID
	if _, err := io.ReadFull(r.r, head[:]); err != nil {
		return Request{}, err
	}
	size := binary.BigEndian.Uint32(head[:])
	q := Request{Type: Type(head[4]), ID: binary.BigEndian.Uint32(head[5:])}
	if size < 5 || size > MaxSize {
		return q, fmt.Errorf("%w: %v of %d bytes", ErrMalformed, q.Type, size)
	}
	size -= 5
	if q.Type == Write {
		return q, r.write(&q, int(size))
	}
	if cap(r.body) < int(size) {
		r.body = make([]byte, size)
	}
	body := r.body[:size]
	if cap(r.body) > 4096 { // large requests are rare
		r.body = nil
	}
	if _, err := io.ReadFull(r.r, body); err != nil {
		return q, unexpected(err)
	}
	return q, q.parse(body)
}

// InPacket reports whether what the reader reads next of r is the rest of a packet. It is for the Read of r.
func (r *Reader) InPacket() bool { return r.begun }

// unexpected returns the error of a read in the middle of a packet.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// maxHandle limits the bytes of a handle, as the draft does.
const maxHandle = 256

// write reads the beginning of a WRITE, whose size bytes follow the ID.
func (r *Reader) write(q *Request, size int) error {
	var buf [4 + maxHandle + 12]byte
	n, err := r.fill(buf[:4], size)
	if err != nil {
		return err
	}
	handle := binary.BigEndian.Uint32(buf[:])
	if handle > maxHandle {
		return fmt.Errorf("%w: WRITE to a handle of %d bytes", ErrMalformed, handle)
	}
	rest := buf[4 : 4+handle+12]
	if n, err = r.fill(rest, n); err != nil {
		return err
	}
	q.Handle = string(rest[:handle])
	q.Offset = binary.BigEndian.Uint64(rest[handle:])
	length := binary.BigEndian.Uint32(rest[handle+8:])
	if int64(length) != int64(n) || length > MaxData {
		return fmt.Errorf("%w: WRITE of %d bytes with %d of data", ErrMalformed, length, n)
	}
	q.Length, r.rest = int(length), int(length)
	return nil
}

// fill reads b, of size bytes that are left in the packet, and returns how many are left then.
func (r *Reader) fill(b []byte, size int) (left int, err error) {
	if len(b) > size {
		return 0, fmt.Errorf("%w: WRITE is too short", ErrMalformed)
	}
	if _, err := io.ReadFull(r.r, b); err != nil {
		return 0, unexpected(err)
	}
	return size - len(b), nil
}

// Read reads the data of the last WRITE. It returns io.EOF after them, and io.ErrUnexpectedEOF if the channel ends before.
func (r *Reader) Read(p []byte) (int, error) {
	if r.rest == 0 {
		return 0, io.EOF
	}
	n, err := r.r.Read(p[:min(len(p), r.rest)])
	r.rest -= n
	if r.rest == 0 {
		return n, nil
	}
	r.err = unexpected(err)
	return n, r.err
}

// Err returns the first error of the channel in the data of a WRITE.
func (r *Reader) Err() error { return r.err }

// parse parses what follows the ID of all requests but WRITE.
func (q *Request) parse(body []byte) error {
	p := &parser{rest: body}
	switch q.Type {
	case Init:
		return nil // extensions of the client follow, which have no meaning
	case Open:
		q.Path, q.Flags, q.Attributes = p.text(), p.uint32(), p.attributes()
	case Close, FStat, ReadDir:
		q.Handle = p.text()
	case Read:
		q.Handle, q.Offset, q.Length = p.text(), p.uint64(), int(p.uint32())
	case LStat, OpenDir, Remove, Rmdir, RealPath, Stat, ReadLink:
		q.Path = p.text()
	case SetStat, Mkdir:
		q.Path, q.Attributes = p.text(), p.attributes()
	case FSetStat:
		q.Handle, q.Attributes = p.text(), p.attributes()
	case Rename, Symlink:
		q.Path, q.Target = p.text(), p.text()
	case Extended:
		q.Extension = p.text()
		q.Data, p.rest = p.rest, nil
	default:
		return nil // the server does not support it
	}
	if p.err == nil && len(p.rest) > 0 && q.Type != RealPath { // later versions add paths to REALPATH
		return fmt.Errorf("%w: %v is longer than its fields", ErrMalformed, q.Type)
	}
	if p.err != nil {
		return fmt.Errorf("%w: %v is shorter than its fields", ErrMalformed, q.Type)
	}
	return nil
}

// Texts returns the n strings of an extended request. The error is ErrMalformed.
func (q *Request) Texts(n int) ([]string, error) {
	p := &parser{rest: q.Data}
	texts := make([]string, n)
	for i := range texts {
		texts[i] = p.text()
	}
	return texts, p.err
}

// PathAndAttributes returns the fields of lsetstat@openssh.com. The error is ErrMalformed.
func (q *Request) PathAndAttributes() (string, Attributes, error) {
	p := &parser{rest: q.Data}
	path, a := p.text(), p.attributes()
	return path, a, p.err
}

// IDs returns the two lists of users-groups-by-id@openssh.com. The error is ErrMalformed.
func (q *Request) IDs() (users, groups []uint32, err error) {
	p := &parser{rest: q.Data}
	users, groups = p.list(), p.list()
	return users, groups, p.err
}

// CheckFile are the fields of check-file-name and check-file-handle (draft-ietf-secsh-filexfer-extensions-00, section 3).
type CheckFile struct {
	File           string // the path or the handle
	Algorithms     string // with commas between them, the preferred one first
	Offset, Length uint64 // of the range; a length of 0 = to the end
	BlockSize      uint32 // 0 = one hash of the whole range
}

// CheckFile returns the fields of check-file-name and check-file-handle. The error is ErrMalformed.
func (q *Request) CheckFile() (CheckFile, error) {
	p := &parser{rest: q.Data}
	c := CheckFile{File: p.text(), Algorithms: p.text(), Offset: p.uint64(), Length: p.uint64(), BlockSize: p.uint32()}
	return c, p.err
}

// CopyData are the fields of copy-data (draft-ietf-secsh-filexfer-extensions-00, section 7).
type CopyData struct {
	From               string // handle
	FromOffset, Length uint64 // a length of 0 = to the end
	To                 string // handle
	ToOffset           uint64
}

// CopyData returns the fields of copy-data. The error is ErrMalformed.
func (q *Request) CopyData() (CopyData, error) {
	p := &parser{rest: q.Data}
	c := CopyData{From: p.text(), FromOffset: p.uint64(), Length: p.uint64(), To: p.text(), ToOffset: p.uint64()}
	return c, p.err
}

// A parser takes fields from the beginning of rest. After its first error, all fields are zero.
type parser struct {
	rest []byte
	err  error
}

func (p *parser) take(n int) []byte {
	if p.err != nil || n < 0 || n > len(p.rest) {
		p.rest, p.err = nil, ErrMalformed
		return nil
	}
	b := p.rest[:n]
	p.rest = p.rest[n:]
	return b
}

func (p *parser) uint32() uint32 {
	if b := p.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (p *parser) uint64() uint64 {
	if b := p.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (p *parser) text() string { return string(p.take(int(p.uint32()))) }

// list returns a string that is a list of numbers.
func (p *parser) list() (ids []uint32) {
	inner := &parser{rest: p.take(int(p.uint32()))}
	for len(inner.rest) > 0 {
		ids = append(ids, inner.uint32())
	}
	if inner.err != nil {
		p.err = inner.err
	}
	return ids
}
