package ack

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

// A client runs operations, one after the other.
type client struct {
	w      *world
	number int
	proc   int
	secure bool
	s      *session                   // of FTP, of one user after the other
	sftp   map[*account]*harness.SFTP // sessions
}

func (w *world) newClient(number int) *client {
	return &client{w: w, number: number, proc: number % len(w.procs), sftp: map[*account]*harness.SFTP{}}
}

// run runs an operation.
func (c *client) run(o *op) {
	defer func() {
		for _, e := range []*event{o.held, o.mid, o.done} {
			e.happen()
		}
	}()
	o.before.wait(gateLimit)
	o.proc = c.proc
	if o.verb == "KILL" || o.verb == "KILLS3" {
		c.w.kill(o)
		return
	}
	if !c.connect(o) {
		c.w.violation("client %d cannot log in within %v", c.number, patience)
		return
	}
	c.w.maker.arm(o.faults)
	defer c.w.maker.disarm(o.faults)
	begin := time.Now()
	o.call = c.w.clock()
	err := c.perform(o)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.w.violation("no reply within %v to %v", patience, o)
	}
	if err != nil { // s3ftpd or this client was killed
		c.drop(o)
	}
	if o.took = time.Since(begin); o.code != 0 {
		o.ret = c.w.clock()
	}
	c.w.atOnce(o)
}

// perform sends an operation by its protocol, and reads the reply.
func (c *client) perform(o *op) error {
	switch {
	case o.sftp:
		return c.performSFTP(o)
	case o.isUpload():
		return c.upload(o)
	case o.verb == "RETR":
		return c.download(o)
	}
	return c.command(o)
}

// connect opens a session for an operation unless one is open.
func (c *client) connect(o *op) bool {
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if c.logIn(o) == nil {
			return true
		}
		timer := time.NewTimer(20 * time.Millisecond)
		<-timer.C
	}
	return false
}

// logIn opens a session for the user of an operation unless one is open. An FTP session of another user logs in again.
func (c *client) logIn(o *op) error {
	p, user := c.w.procs[c.proc], o.by()
	switch {
	case o.sftp && c.sftp[user] != nil, !o.sftp && c.s != nil && c.s.user == user:
		return nil
	case o.sftp:
		s, err := harness.DialSFTP(p.sftp, user.name, ssh.Password(password))
		if err == nil {
			c.sftp[user] = s
		}
		return err
	case c.s != nil:
		err := c.s.authenticate(user)
		if err != nil {
			c.drop(o)
		}
		return err
	}
	s, err := dial(p.addr, user, c.secure)
	c.s = s
	return err
}

// drop gives up the session of an operation.
func (c *client) drop(o *op) {
	switch s := c.sftp[o.by()]; {
	case o.sftp && s != nil:
		s.Close()
		delete(c.sftp, o.by())
	case !o.sftp && c.s != nil:
		c.s.raw.Close()
		c.s = nil
	}
}

// quit ends all sessions.
func (c *client) quit() {
	if c.s != nil {
		c.s.say("QUIT")
		c.s.raw.Close()
	}
	for _, s := range c.sftp {
		s.Close()
	}
}

// command runs an operation that needs no data connection.
func (c *client) command(o *op) error {
	name := o.by().path(o.name)
	line := o.verb + " " + name
	switch o.verb {
	case "RNTO":
		code, text, err := c.s.say("RNFR " + name)
		if err != nil || code != 350 {
			o.code, o.text = code, text
			return err
		}
		line = "RNTO " + o.by().path(o.to)
	case "MFMT":
		line = "MFMT " + timeOf(o.id).Format("20060102150405") + " " + name
	}
	if err := c.s.send(line); err != nil {
		return err
	}
	if o.cut == leave {
		o.pause.wait(holdLimit)
		c.drop(o)
		return nil
	}
	return c.final(o)
}

// gateLimit is the longest that an operation waits for another one.
const gateLimit = 5 * time.Second

// timeOf returns the time that an MFMT sets, different for each operation.
func timeOf(op int) time.Time { return time.Unix(1_000_000_000+int64(op), 0).UTC() }

// final reads the final reply.
func (c *client) final(o *op) error {
	code, text, err := c.s.reply()
	o.code, o.text = code, text
	return err
}

// size returns the reply to SIZE, 0 if the file does not exist.
func (c *client) size(name string) (int64, error) {
	code, text, err := c.s.say("SIZE " + name)
	if err != nil || code != 213 {
		return 0, err
	}
	return strconv.ParseInt(text, 10, 64)
}

// setOffset sets the offset of an operation with REST, from the size of the file.
func (o *op) setOffset(size int64) {
	if o.offset = size; o.rest < 1000 {
		o.offset = size * o.rest / 1000 / block * block
	}
}

// begin opens a data connection and sends the command. It returns nil if the server refuses.
func (c *client) begin(o *op) (*dataConn, error) {
	if o.rest != none {
		n, err := c.size(o.by().path(o.name))
		if err != nil {
			return nil, err
		}
		o.setOffset(n)
	}
	port, closePort, err := c.s.open(o.active)
	if err != nil {
		return nil, err
	}
	if o.offset > 0 {
		if err := c.s.expect(350, fmt.Sprint("REST ", o.offset)); err != nil {
			closePort()
			return nil, err
		}
	}
	code, text, err := c.s.say(o.verb + " " + o.by().path(o.name))
	if err != nil || code >= 300 {
		closePort()
		o.code, o.text = code, text
		return nil, err
	}
	if o.verb == "STOU" {
		_, name, _ := strings.Cut(text, "FILE: ")
		o.name = strings.TrimSpace(name)
	}
	raw, err := port()
	if err != nil {
		closePort()
		return nil, c.final(o) // the server may give the reason
	}
	if o.active {
		closePort()
	}
	d, err := c.s.protect(raw)
	if err != nil {
		raw.Close()
		return nil, c.final(o)
	}
	return d, nil
}

// upload runs STOR, APPE and STOU.
func (c *client) upload(o *op) error {
	d, err := c.begin(o)
	if d == nil {
		return err
	}
	defer d.raw.Close()
	if !o.transmit(d.conn) && o.cut == noCut {
		return c.final(o)
	}
	return c.finish(o, d)
}

// sends returns how many bytes an upload sends before it is cut.
func (o *op) sends() int64 {
	if slices.Contains([]cut{noCut, leave, quit, halfClose}, o.cut) || o.cutAt >= 1000 {
		return o.size
	}
	return o.size * o.cutAt / 1000
}

// transmit sends the first bytes of an upload, with a pause, and reports whether the connection accepted them.
func (o *op) transmit(to io.Writer) bool {
	until := o.sends()
	stop := until * o.at / 1000
	for _, end := range []int64{stop, until} {
		n, err := io.CopyBuffer(struct{ io.Writer }{to}, &stream{op: o.id, at: o.sent, size: end}, make([]byte, 256<<10))
		o.sent += n
		if err != nil {
			return false
		}
		if end == stop {
			o.mid.happen()
			o.pause.wait(gateLimit)
		}
	}
	return true
}

// finish ends an upload as planned, and reads the reply if one is expected.
func (c *client) finish(o *op, d *dataConn) error {
	switch o.cut {
	case killData:
		begin := time.Now()
		fin(d.raw)
		fin(c.s.raw)
		o.late = time.Since(begin) > mostGap
		c.drop(o)
		return nil
	case killControl:
		fin(c.s.raw)
		fin(d.raw)
		c.drop(o)
		return nil
	case resetControl:
		reset(c.s.raw)
		d.end()
		c.drop(o)
		return nil
	case resetData:
		reset(d.raw)
		return c.final(o)
	case noNotify:
		d.raw.CloseWrite()
		return c.final(o)
	case abort:
		return c.abort(o, d)
	}
	o.whole, o.ended = o.sent == o.size, c.w.clock()
	d.end()
	switch o.cut {
	case quit:
		c.s.send("QUIT")
		fallthrough
	case leave:
		o.pause.wait(holdLimit)
		c.drop(o)
		return nil
	}
	return c.final(o)
}

// mostGap is the maximum time between the two closes of a killed client. It is shorter than the shortest grace.
const mostGap = 200 * time.Microsecond

// abort sends ABOR, waits for the reply as clients do, and only then closes the data connection.
func (c *client) abort(o *op, d *dataConn) error {
	if err := c.s.send("ABOR"); err != nil {
		return err
	}
	c.s.conn.SetReadDeadline(time.Now().Add(abortLimit))
	c.s.r.Peek(1)
	d.end()
	if err := c.final(o); err != nil {
		return err
	}
	_, _, err := c.s.reply() // to ABOR itself
	return err
}

// abortLimit is how long a client waits for the reply to ABOR.
const abortLimit = 2 * time.Second

// download runs RETR.
func (c *client) download(o *op) error {
	d, err := c.begin(o)
	if d == nil {
		return err
	}
	defer d.raw.Close()
	var data []byte
	o.mid.happen()
	if o.pause == nil && o.cut == noCut {
		data, err = io.ReadAll(d.conn)
	} else {
		data = make([]byte, block)
		var n int
		n, err = io.ReadFull(d.conn, data)
		data = data[:n]
		o.pause.wait(gateLimit)
		if o.cut == resetData {
			reset(d.raw)
			return c.final(o)
		}
		if err == nil {
			var rest []byte
			rest, err = io.ReadAll(d.conn)
			data = append(data, rest...)
		} else if err == io.EOF || err == io.ErrUnexpectedEOF {
			err = nil
		}
	}
	d.raw.Close()
	if failed := c.final(o); failed != nil {
		return failed
	}
	if o.acknowledged() && err != nil {
		c.w.violation("the server says %d, but the data connection ended with %v: %v", o.code, err, o)
	}
	o.record(data)
	return nil
}

// record notes what a download has read.
func (o *op) record(data []byte) {
	o.got = digest{sha256.Sum256(data), int64(len(data))}
	if o.offset == 0 {
		o.content, o.garbled = parse(data)
	}
}
