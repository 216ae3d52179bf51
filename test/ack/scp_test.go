package ack

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

// An scpChannel runs a command of SCP, on the connection of an SFTP session.
type scpChannel struct {
	*sftpSession
	session *ssh.Session
	in      *bufio.Reader
	out     io.WriteCloser
}

// startSCP starts scp -t or scp -f for the file of an operation.
func (s *sftpSession) startSCP(option string, o *op) (*scpChannel, error) {
	session, err := s.Client.NewSession()
	if err != nil {
		return nil, err
	}
	c := &scpChannel{sftpSession: s, session: session}
	in, err := session.StdoutPipe()
	if err == nil {
		c.out, err = session.StdinPipe()
	}
	if err == nil {
		err = session.Start(fmt.Sprintf("scp %s '%s'", option, o.by().path(o.name)))
	}
	c.in = bufio.NewReader(in)
	return c, err
}

// say sends text and reads the answer.
func (c *scpChannel) say(text string) error {
	if _, err := io.WriteString(c.out, text); err != nil {
		return err
	}
	return c.answer()
}

// answer reads an answer. A refusal is an SFTPError.
func (c *scpChannel) answer() error {
	code, err := c.in.ReadByte()
	if err != nil || code == 0 {
		return err
	}
	c.in.UnreadByte()
	line, err := c.in.ReadString('\n')
	if err != nil {
		return err
	}
	return refusalOf(line)
}

// refusalOf returns the refusal in a line of SCP, which is "scp: PATH: TEXT", as that of SFTP.
func refusalOf(line string) error {
	text := strings.TrimSpace(line[1:])
	if at := strings.LastIndex(text, ": "); at >= 0 {
		text = text[at+2:]
	}
	code := map[string]int{"No such file or directory.": harness.SFTPNoSuchFile, "Permission denied.": harness.SFTPPermissionDenied}[text]
	return &harness.SFTPError{Kind: harness.SFTPStatus, Code: code, Text: text}
}

// scpCuts are the ways in which an SCP client ends an upload. badWrite is one that cannot read its file: it fills up with zeros.
var scpCuts = map[cut]bool{noCut: true, killSFTP: true, hangUp: true, closeChannel: true, resetData: true, leave: true, badWrite: true}

// mayUseSCP reports whether SCP can do an operation of SFTP.
func (o *op) mayUseSCP() bool {
	return o.sftp && o.rest == none && (o.verb == "STOR" && scpCuts[o.cut] || o.verb == "RETR")
}

// scpUpload stores a file by scp -t. All of it is sent before the last answer, which is that of the commit.
func (s *sftpSession) scpUpload(o *op) error {
	c, err := s.startSCP("-t", o)
	if err != nil {
		return err
	}
	defer c.session.Close()
	if err := c.answer(); err != nil {
		return err
	}
	if err := c.say(fmt.Sprintf("C0644 %d file\n", o.size)); err != nil {
		return err
	}
	if !o.transmit(c.out) {
		return io.ErrUnexpectedEOF
	}
	end := "\x00"
	if o.cut == badWrite {
		if _, err := c.out.Write(make([]byte, o.size-o.sent)); err != nil {
			return err
		}
		end = "\x01scp: cannot read\n"
	}
	if err := c.cut(o); err != nil {
		return err
	}
	o.whole, o.ended = o.sent == o.size && o.cut != badWrite, c.w.clock()
	if _, err := io.WriteString(c.out, end); err != nil {
		return err
	}
	if o.cut == leave {
		o.pause.wait(holdLimit)
		return errLeft
	}
	return c.answer()
}

// cut ends an upload before its end, if that is planned.
func (c *scpChannel) cut(o *op) error {
	raw := c.Conn.(*net.TCPConn)
	switch o.cut {
	case killSFTP:
	case resetData:
		reset(raw)
	case hangUp:
		raw.CloseWrite()
		io.Copy(io.Discard, c.in) // until the server has ended the session
	case closeChannel:
		c.session.Close()
		io.Copy(io.Discard, c.in)
	default:
		return nil
	}
	return errLeft
}

// scpDownload reads a file by scp -f, with a pause after the first bytes.
func (s *sftpSession) scpDownload(o *op) error {
	c, err := s.startSCP("-f", o)
	if err != nil {
		return err
	}
	defer c.session.Close()
	if _, err := c.out.Write([]byte{0}); err != nil {
		return err
	}
	line, err := c.in.ReadString('\n')
	switch {
	case err != nil:
		return err
	case line[0] != 'C':
		return refusalOf(line)
	}
	var size int64
	if _, err := fmt.Sscanf(line, "C0644 %d ", &size); err != nil {
		return fmt.Errorf("scp -f sends %q: %w", line, err)
	}
	if _, err := c.out.Write([]byte{0}); err != nil {
		return err
	}
	data := make([]byte, size)
	begun, err := io.ReadFull(c.in, data[:min(block, size)])
	o.mid.happen()
	o.pause.wait(gateLimit)
	if o.cut == resetData {
		reset(c.Conn.(*net.TCPConn))
		return errLeft
	}
	if err == nil {
		_, err = io.ReadFull(c.in, data[begun:])
	}
	if err == nil {
		err = c.answer()
	}
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = c.ended()
	}
	if err != nil {
		return err
	}
	o.record(data)
	_, err = c.out.Write([]byte{0})
	return err
}

// ended returns why the server has ended a download before its end: the channel closes with a status, or the connection is lost.
func (c *scpChannel) ended() error {
	if err := c.session.Wait(); errors.As(err, new(*ssh.ExitError)) {
		return &harness.SFTPError{Kind: harness.SFTPStatus, Code: 4, Text: "the download was broken off"}
	}
	return io.ErrUnexpectedEOF
}

// scpPattern: a client of SCP loses its connection or channel, cannot read its file, or ends in order.
func scpPattern(p *planner) {
	a, name := p.IntN(clients), p.fresh("f")
	if p.IntN(2) == 0 {
		p.add(a, &op{sftp: true, verb: "STOR", name: name, size: p.small()}).scp = true
	}
	cuts := []cut{noCut, killSFTP, hangUp, closeChannel, badWrite}
	write := p.add(a, &op{sftp: true, verb: "STOR", name: name, size: block * (2 + p.Int64N(1<<12)), cut: pick(p, cuts), cutAt: p.Int64N(1000)})
	write.scp = true
	if write.cut == noCut {
		slow := fault(write, "PutObject", name, pick(p, []kind{hold, denied}), 9)
		slow.gate, slow.limit = gate{newEvent()}, 200*time.Millisecond
	}
	p.add(a, &op{sftp: true, verb: "RETR", name: name}).scp = true
}
