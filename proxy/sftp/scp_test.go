package sftp

import (
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/scp"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// TestSCP plays the transcripts in testdata/scp. The first line says which behaviour it shows. Then lines begin with
//
//	!   what is there before, as in TestTranscripts
//	$   a command line of the client, which begins a channel
//	C>  what the client sends, with the escapes of Go
//	C=  data that the client sends, as in TestTranscripts
//	S>  what the server sends, with the escapes of Go; a star at the end stands for the rest of the line
//	S=  data that the server sends
//	C.  the client ends its output
//	C!  the connection is lost
//	S.  the server ends the channel, with this exit status
//	2>  what the server has said on standard error
//	T>  time passes
//	=>  what the store has at the end, as in TestTranscripts
func TestSCP(t *testing.T) {
	for name, text := range scripts(t, "scp/*.scp") {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { playSCP(t, memoryStore{storetest.NewMemory()}, text) })
		})
	}
}

// An scpScript is a transcript of SCP that is played.
type scpScript struct {
	*script
	conn   *memConn
	served *connection
	ended  chan int // the exit status
	said   string   // on standard error; complete after ended
}

func playSCP(t *testing.T, store scriptStore, text string) {
	s := &scpScript{script: &script{t: t, store: store, handles: map[string]string{}}}
	s.setups = append(s.setups, func(_ *Server, a *proxy.Account) { a.Store = s.store })
	defer func() { s.hangUp() }()
	for i, line := range strings.Split(text, "\n") {
		kind, rest, _ := strings.Cut(line, " ")
		if i > 0 && line != "" && !s.line(kind, rest) {
			t.Fatalf("line %d: %q is not understood", i+1, line)
		}
		if t.Failed() {
			t.Fatalf("in line %d: %s", i+1, line)
		}
	}
	s.hangUp()
	s.checkStore()
}

// hangUp closes the connection, if there is one, and waits for the end of the channel.
func (s *scpScript) hangUp() {
	if s.conn != nil {
		s.conn.Close()
		<-s.ended
		s.conn = nil
	}
}

// start begins a channel with a command.
func (s *scpScript) start(line string) {
	s.hangUp()
	command, err := scp.Parse(line)
	if err != nil {
		s.t.Fatal(err)
	}
	near, far := newMemConn(clientAddr, serverAddr, 1<<20)
	served, _, cancel := newServed(s.t, far, s.setups...)
	s.conn, s.served, s.ended, s.said = near, served, make(chan int, 1), ""
	ended := s.ended
	go func() {
		defer cancel()
		status := 0
		if err := served.serveSCP(served.hard, far, func(text string) { s.said += text }, command); err != nil {
			status = 1
		}
		far.CloseWrite()
		if n := served.handles.Load() + served.pending.Load(); n != 0 || len(served.uploads.list) != 0 {
			s.t.Errorf("%d handles and requests, %d uploads are left", n, len(served.uploads.list))
		}
		ended <- status
	}()
}

func (s *scpScript) line(kind, rest string) bool {
	switch kind {
	case "!":
		return s.prepare(strings.Fields(rest))
	case "$":
		s.start(rest)
	case "C>":
		io.WriteString(s.conn, unquote(s.t, rest))
	case "C=":
		io.WriteString(s.conn, lengthen(rest))
	case "S>":
		s.expect(unquote(s.t, rest))
	case "S=":
		s.expect(lengthen(rest))
	case "C.":
		s.conn.CloseWrite()
	case "C!":
		s.hangUp()
	case "S.":
		s.expectEnd(rest)
	case "2>":
		if s.said != unquote(s.t, rest) {
			s.t.Errorf("standard error has %q", s.said)
		}
	case "T>":
		d, err := time.ParseDuration(rest)
		<-time.After(d)
		return err == nil
	case "=>":
		s.want = append(s.want, rest)
	default:
		return false
	}
	return true
}

// expect reads what the server sends. It must come within an hour.
func (s *scpScript) expect(want string) {
	s.conn.SetReadDeadline(time.Now().Add(time.Hour))
	start, isStart := strings.CutSuffix(want, "*")
	got := make([]byte, len(start))
	n, err := io.ReadFull(s.conn, got)
	for last := []byte{0}; isStart && err == nil && last[0] != '\n'; {
		_, err = io.ReadFull(s.conn, last)
	}
	if err != nil || string(got[:n]) != start {
		s.t.Errorf("the server sends %q, %v", got[:n], err)
	}
}

// expectEnd reads the end of the server's output.
func (s *scpScript) expectEnd(want string) {
	s.conn.SetReadDeadline(time.Now().Add(time.Hour))
	rest, err := io.ReadAll(s.conn)
	if len(rest) > 0 || err != nil {
		s.t.Fatalf("the server sends %q, %v", rest, err)
	}
	if status := <-s.ended; strconv.Itoa(status) != want {
		s.t.Errorf("exit status %d", status)
	}
	s.ended <- 0
	s.hangUp()
}

// unquote replaces the escapes of Go.
func unquote(t testing.TB, text string) string {
	plain, err := strconv.Unquote(`"` + strings.ReplaceAll(text, `"`, `\"`) + `"`)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return plain
}
