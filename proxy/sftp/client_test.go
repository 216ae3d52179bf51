package sftp

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/budget"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/packet"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// A client sends requests to a subsystem, without SSH, and reads its answers.
type client struct {
	t       testing.TB
	store   *storetest.Memory
	served  *connection
	conn    io.ReadWriteCloser
	id      uint32
	answers chan answer
	early   map[uint32]answer // that came before the caller has asked for them
	end     chan error        // the result of serveSFTP
	version cursor            // what VERSION has behind the number
}

// An answer is the type of a reply, its ID, and what follows.
type answer struct {
	kind byte
	id   uint32
	body []byte
}

// A setup changes the server and the account of a test.
type setup func(*Server, *proxy.Account)

// newClient begins a session with a subsystem whose account has an in-memory store.
func newClient(t testing.TB, change ...setup) *client {
	t.Helper()
	near, far := net.Pipe()
	served, store, cancel := newServed(t, far, change...)
	end := make(chan error, 1)
	go func() {
		err := served.serveSFTP(served.hard, far)
		far.Close()
		cancel()
		end <- err
	}()
	c := initialize(t, near)
	c.store, c.served, c.end = store, served, end
	return c
}

// newServed returns a connection of a user with an in-memory store, without SSH.
func newServed(t testing.TB, far net.Conn, change ...setup) (served *connection, store *storetest.Memory, cancel func()) {
	t.Helper()
	store = storetest.NewMemory()
	srv := &Server{Budget: budget.New(64 << 20)}
	account := proxy.Account{User: "alice", Store: store}
	for _, f := range change {
		f(srv, &account)
	}
	ctx, cancel := context.WithCancel(t.Context())
	entry, err := srv.sessions().Start(proxy.SessionInfo{ID: "test", Protocol: "sftp"}, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	served = &connection{srv: srv, entry: entry, hard: ctx, stored: t.Context(), drain: ctx, account: account, memory: srv.Budget.ShareOf(account.User)}
	served.socket = newSocket(far, func(error) { cancel() })
	return served, store, cancel
}

// initialize begins the protocol on a channel.
func initialize(t testing.TB, channel io.ReadWriteCloser) *client {
	t.Helper()
	c := &client{t: t, conn: channel, answers: make(chan answer, 10_000), early: map[uint32]answer{}}
	go c.read()
	c.send(packet.Init, 3)
	v := <-c.answers
	if v.kind != 2 || v.id != 3 {
		t.Fatalf("the answer to INIT is %+v", v)
	}
	c.version = v.body
	return c
}

// close closes the connection and waits for the end of the subsystem. It returns the result.
func (c *client) close() error {
	c.conn.Close()
	return <-c.end
}

// read reads answers until the connection ends.
func (c *client) read() {
	defer close(c.answers)
	for {
		var head [9]byte
		if _, err := io.ReadFull(c.conn, head[:]); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(head[:])-5)
		if _, err := io.ReadFull(c.conn, body); err != nil {
			return
		}
		c.answers <- answer{head[4], binary.BigEndian.Uint32(head[5:]), body}
	}
}

// fields encodes numbers of 32 and 64 bits, strings, and bytes as they are.
func fields(values ...any) (b []byte) {
	for _, v := range values {
		switch v := v.(type) {
		case int:
			b = binary.BigEndian.AppendUint32(b, uint32(v))
		case int64:
			b = binary.BigEndian.AppendUint64(b, uint64(v))
		case string:
			b = append(binary.BigEndian.AppendUint32(b, uint32(len(v))), v...)
		case []byte:
			b = append(b, v...)
		default:
			panic(fmt.Sprintf("a field of type %T", v))
		}
	}
	return b
}

// request sends a request and returns its ID.
func (c *client) request(kind packet.Type, values ...any) uint32 {
	c.id++
	c.send(kind, append([]any{int(c.id)}, values...)...)
	return c.id
}

func (c *client) send(kind packet.Type, values ...any) {
	body := append([]byte{byte(kind)}, fields(values...)...)
	c.conn.Write(append(fields(len(body)), body...)) // if the server has left, the answer will be missing
}

// await returns the answer to a request.
func (c *client) await(id uint32) answer {
	c.t.Helper()
	if a, ok := c.early[id]; ok {
		delete(c.early, id)
		return a
	}
	for a := range c.answers {
		if a.id == id {
			return a
		}
		c.early[a.id] = a
	}
	c.t.Fatalf("no answer to request %d before the end of the channel", id)
	return answer{}
}

// A cursor takes fields from an answer.
type cursor []byte

func (c *cursor) number() int {
	n := binary.BigEndian.Uint32(*c)
	*c = (*c)[4:]
	return int(n)
}

func (c *cursor) long() int64 {
	n := binary.BigEndian.Uint64(*c)
	*c = (*c)[8:]
	return int64(n)
}

func (c *cursor) text() string {
	n := c.number()
	s := string((*c)[:n])
	*c = (*c)[n:]
	return s
}

var codeNames = map[packet.Code]string{
	packet.OK: "OK", packet.EOF: "EOF", packet.NoSuchFile: "NO_SUCH_FILE", packet.PermissionDenied: "PERMISSION_DENIED",
	packet.Failure: "FAILURE", packet.BadMessage: "BAD_MESSAGE", packet.OpUnsupported: "OP_UNSUPPORTED",
}

// String returns an answer as transcripts show it. OK and EOF have no text.
func (a answer) String() string {
	c := cursor(a.body)
	switch a.kind {
	case 101:
		code := packet.Code(c.number())
		if code == packet.OK || code == packet.EOF {
			return codeNames[code]
		}
		return codeNames[code] + " " + c.text()
	case 102:
		return "HANDLE " + c.text()
	case 103:
		return "DATA " + shorten(c.text())
	case 104:
		text := "NAME"
		for n := c.number(); n > 0; n-- {
			text += " " + c.text()
			c.text()
			c.attributes()
		}
		return text
	case 105:
		return "ATTRS " + c.attributes()
	}
	var text strings.Builder
	text.WriteString("EXTENDED")
	for len(c) >= 8 {
		fmt.Fprintf(&text, " %d", c.long())
	}
	return text.String()
}

// sums returns an answer with texts and hashes.
func (a answer) sums(texts int) string {
	if a.kind != 201 {
		return a.String()
	}
	c, text := cursor(a.body), "SUMS"
	for range texts {
		text += " " + c.text()
	}
	return fmt.Sprintf("%s %x", text, []byte(c))
}

// attributes returns attributes as mode, size and time.
func (c *cursor) attributes() string {
	flags, size, mtime := c.number(), int64(0), "-"
	if flags&1 != 0 {
		size = c.long()
	}
	c.long() // owner and group
	mode := modeText(uint32(c.number()))
	if flags&8 != 0 {
		c.number()
		mtime = fmt.Sprint(c.number())
	}
	return fmt.Sprintf("%s %d %s", mode, size, mtime)
}

// shorten returns runs of more than 100 equal bytes as the byte, a star and their number.
func shorten(data string) string {
	var text strings.Builder
	for len(data) > 0 {
		n := len(data) - len(strings.TrimLeft(data, data[:1]))
		if n > 100 {
			fmt.Fprintf(&text, "%s*%d", data[:1], n)
		} else {
			text.WriteString(data[:n])
		}
		if data = data[n:]; n > 100 && len(data) > 0 {
			text.WriteByte('+')
		}
	}
	return text.String()
}

// lengthen is the inverse of shorten, for parts that are joined by a plus sign.
func lengthen(text string) string {
	var data strings.Builder
	for part := range strings.SplitSeq(text, "+") {
		unit, count, repeated := strings.Cut(part, "*")
		n := 1
		if repeated {
			fmt.Sscan(count, &n)
		}
		data.WriteString(strings.Repeat(unit, n))
	}
	return data.String()
}
