package ack

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// An op is one operation of a client, with its plan and its result.
type op struct {
	id     int
	round  int
	client int
	user   *account // nil = tester
	sftp   bool     // by SFTP, not by FTP
	scp    bool     // by SCP, on a connection of SFTP
	verb   string   // an FTP command, or the one that an SFTP request stands for; PATCH, which is SFTP's alone; or KILL or KILLS3
	name   string   // of the file or directory; RNTO's source
	to     string   // RNTO's target
	size   int64    // of the data of an upload
	rest   int64    // STOR, RETR and PATCH: offset in thousandths of the reply to SIZE; none = no REST
	active bool
	packet int64 // bytes of a READ or WRITE
	flight int   // READs or WRITEs that wait for a reply
	cut    cut
	cutAt  int64 // thousandths of the size that are sent before the cut
	faults []*arm
	before gate // which it waits for
	pause  gate // which it waits for in the middle of its data
	at     int64
	quiet  bool // refusals are not checked, because the pattern makes them likely

	held, mid, done *event

	call, ret int64 // when it began and ended, in steps of the world's clock; ret = 0 for one that lost its connection
	code      int   // of the final reply, or the one that an SFTP reply stands for; 0 = none came
	text      string
	offset    int64 // that REST told
	sent      int64
	whole     bool  // the upload was sent completely and ended correctly
	late      bool  // a killed client closed its connections so slowly that it looks like a finished one
	ended     int64 // when the last byte of an upload had been sent
	got       digest
	content   content // of a download from offset 0
	garbled   error   // error of parsing the content
	proc      int
	took      time.Duration
}

const none = -1

// The ways in which a client ends an upload.
type cut string

const (
	noCut        cut = ""
	resetData    cut = "data reset" // SFTP: the connection
	leave        cut = "left before the reply"
	quit         cut = "QUIT without waiting"  // SFTP: the end of the channel, behind CLOSE
	killData     cut = "killed, data first"    // both connections end by FIN, the data connection first
	killControl  cut = "killed, control first" // control connection first
	noNotify     cut = "no close_notify"
	resetControl cut = "control reset" // and the data connection ends correctly
	abort        cut = "ABOR"
	killSFTP     cut = "killed"           // the connection ends between two packets
	hangUp       cut = "connection ended" // by FIN, which the server has seen before the client goes on
	halfWrite    cut = "ended in a WRITE"
	halfClose    cut = "ended in CLOSE"
	closeChannel cut = "channel closed"
	badWrite     cut = "CLOSE after a WRITE that fails"
	backWrite    cut = "CLOSE after a WRITE that goes back"
)

// isFTP reports whether only an FTP client can end an upload so.
func (c cut) isFTP() bool {
	return slices.Contains([]cut{killData, killControl, noNotify, resetControl, abort}, c)
}

// An event happens once.
type event struct {
	once sync.Once
	ch   chan struct{}
}

func newEvent() *event   { return &event{ch: make(chan struct{})} }
func (e *event) happen() { e.once.Do(func() { close(e.ch) }) }

// A gate waits for the first of some events.
type gate []*event

// wait waits for the gate for a limited time, because the operation that opens it may have been refused.
func (g gate) wait(limit time.Duration) {
	if len(g) == 0 {
		return
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	other := g[0]
	if len(g) > 1 {
		other = g[1]
	}
	select {
	case <-g[0].ch:
	case <-other.ch:
	case <-timer.C:
	}
}

// isUpload reports whether the operation sends a file.
func (o *op) isUpload() bool {
	return o.verb == "STOR" || o.verb == "APPE" || o.verb == "PATCH" || o.verb == "STOU"
}

// acknowledged reports whether the server has confirmed the operation.
func (o *op) acknowledged() bool { return 200 <= o.code && o.code < 300 }

// protocol returns the name of the protocol.
func (o *op) protocol() string {
	switch {
	case o.scp:
		return "SCP"
	case o.sftp:
		return "SFTP"
	}
	return "FTP"
}

// lost reports whether the client did not get the final reply.
func (o *op) lost() bool { return o.code == 0 }

// overlaps reports whether another process ran p at the same time.
func (o *op) overlaps(p *op) bool {
	return p.proc != o.proc && (o.ret == 0 || p.call < o.ret) && (p.ret == 0 || p.ret > o.call)
}

// touches reports whether the operation is about a key.
func (o *op) touches(key string) bool {
	for _, name := range []string{o.name, o.to} {
		if name != "" && (name == key || strings.HasPrefix(key, name+"/")) {
			return true
		}
	}
	return false
}

// directory reports whether a name is that of a directory.
func directory(name string) bool { return strings.HasPrefix(name, "d") && !strings.Contains(name, "/") }

func (o *op) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%6d..%-6d client %d op %d, %s by %s: %s %s", o.call, o.ret, o.client, o.id, o.by().name, o.protocol(), o.verb, o.name)
	if o.to != "" {
		fmt.Fprintf(&b, " -> %s", o.to)
	}
	if o.isUpload() {
		fmt.Fprintf(&b, " (%d bytes", o.size)
		if o.offset > 0 {
			fmt.Fprintf(&b, " from %d on", o.offset)
		}
		if o.sent < o.size {
			fmt.Fprintf(&b, ", %d sent", o.sent)
		}
		b.WriteString(")")
	} else if o.offset > 0 {
		fmt.Fprintf(&b, " from %d on", o.offset)
	}
	if o.cut != noCut {
		fmt.Fprintf(&b, " [%s]", o.cut)
	}
	for _, f := range o.faults {
		fmt.Fprintf(&b, " [%s of %s: %s, %d times]", f.op, f.key, f.kind, f.hits)
	}
	fmt.Fprintf(&b, " = %d %s", o.code, strings.TrimSpace(o.text))
	if o.verb == "RETR" && o.acknowledged() {
		fmt.Fprintf(&b, " %q", o.content)
		if o.garbled != nil {
			fmt.Fprintf(&b, " GARBLED: %v", o.garbled)
		}
	}
	return b.String()
}
