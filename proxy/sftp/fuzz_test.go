package sftp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/budget"
	"github.com/s3ftpd/s3ftpd/proxy/event"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/packet"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// FuzzSession sends any requests, most of them well-formed, also without waiting for answers; it does not take answers for a while,
// lets time pass, and makes the store fail. It checks that each request gets exactly one well-formed answer before the end of the
// channel, that the store changes only by requests that were answered OK, and that nothing of a session is left at its end.
func FuzzSession(f *testing.F) {
	for _, seed := range seedSessions {
		for _, memory := range []byte{0, 15} {
			f.Add(append([]byte{memory}, encodeSession(seed)...))
		}
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 400 {
			return
		}
		synctest.Test(t, func(t *testing.T) { newFuzzSession(t, in).run() })
	})
}

// TestSeedSessions: the seeds have each kind of request.
func TestSeedSessions(t *testing.T) {
	all := strings.Join(seedSessions, ";")
	for _, op := range fuzzOps {
		if !strings.Contains(all, op.name) {
			t.Errorf("no seed has %s", op.name)
		}
	}
}

// A sentRequest is a request of a fuzzSession.
type sentRequest struct {
	id       uint32
	kind     packet.Type
	at       time.Time
	optional bool                    // it may have no answer
	apply    func(a answer, ok bool) // changes the model; ok tells whether the answer is OK or has what was asked for
	lost     func()                  // changes the model if the answer is lost; nil = nothing
	touch    []string                // the names that it may change
	most     int                     // of READ: the bytes that were asked for
	handle   *fuzzHandle             // that it names
}

// A fuzzSession is a client of a subsystem, in a synctest bubble, that does what a program says.
type fuzzSession struct {
	*testing.T
	program []byte
	store   *storetest.Memory
	served  *connection
	budget  *budget.Budget
	events  *recorder
	conn    *memConn
	out     chan []byte    // to be sent
	pumps   sync.WaitGroup // the goroutines that send and read
	ended   chan error
	id      uint32
	model   fuzzModel
	handles []*fuzzHandle // open ones
	opened  []*fuzzHandle // all that were opened
	gone    []string      // handles that were closed
	sent    []*sentRequest
	single  bool     // only one request has waited for its answer
	letter  byte     // of the last WRITE
	over    bool     // the client sends nothing more
	invalid bool     // the last packet was malformed
	cut     bool     // the connection was lost
	faults  bool     // the store fails, or has failed
	panics  bool     // the store panics
	closes  int      // CLOSE requests that may have published
	history []string // the requests and answers, in the order of the client

	gate    atomic.Pointer[chan struct{}] // closed when answers are read again; nil = they are read
	mu      sync.Mutex
	answers []answer
	broken  error // the answers end in the middle of one
}

// The stall timeout is short beside the time that passes in tests; a barrier is shorter.
const (
	fuzzStall = time.Hour
	barrier   = time.Second
)

func newFuzzSession(t *testing.T, program []byte) *fuzzSession {
	f := &fuzzSession{
		T: t, program: program, store: storetest.NewMemory(), events: &recorder{}, out: make(chan []byte, 100_000),
		ended: make(chan error, 1), model: fuzzModel{},
	}
	f.budget = budget.New(int64(1+f.next()%16) << 20)
	f.store.Files["/a"] = storetest.MemoryFile{Name: "/a", Data: bytes.Repeat([]byte("old "), 10*fuzzUnit), Time: time.Unix(1, 0)}
	f.store.Files["/d/x"] = storetest.MemoryFile{Name: "/d/x", Data: []byte("x"), Time: time.Unix(1, 0)}
	f.store.Files["/d/"] = storetest.MemoryFile{Name: "/d/"}
	f.store.Resumable["/r"] = bytes.Repeat([]byte("half"), 5*fuzzUnit)
	f.model.reset(f.store)
	f.serve()
	return f
}

// serve begins to serve the client.
func (f *fuzzSession) serve() {
	srv := &Server{Budget: f.budget, Keep: 4 << 15, StallTimeout: fuzzStall, Observer: f.events}
	entry, err := srv.sessions().Start(proxy.SessionInfo{ID: "test", Protocol: protocol}, func(error) {})
	if err != nil {
		f.Fatal(err)
	}
	client, server := newMemConn(clientAddr, serverAddr, 4096)
	ctx, cancel := context.WithCancel(f.Context())
	f.conn = client
	f.served = &connection{
		srv: srv, entry: entry, hard: ctx, stored: f.Context(), drain: f.Context(), memory: f.budget.ShareOf("alice"),
		account: proxy.Account{User: "alice", Store: f.store},
	}
	f.served.socket = newSocket(server, func(error) { cancel() })
	go func() {
		err := f.served.serveSFTP(ctx, server)
		server.Close()
		cancel()
		f.ended <- err
	}()
	f.pumps.Go(func() {
		for b := range f.out {
			f.conn.Write(b)
		}
		f.conn.CloseWrite()
	})
	f.pumps.Go(f.read)
	f.out <- fields(5, []byte{byte(packet.Init)}, 3)
}

// next takes the next byte of the program, or 0 at its end.
func (f *fuzzSession) next() (b byte) {
	if len(f.program) > 0 {
		b, f.program = f.program[0], f.program[1:]
	}
	return b
}

// run runs the program.
func (f *fuzzSession) run() {
	f.barrier()
	for len(f.program) > 0 && !f.over && !f.Failed() {
		op := f.next()
		what := fuzzOps[op&127%byte(len(fuzzOps))]
		f.note("%s at %v", what.name, time.Now().Format(time.TimeOnly))
		what.do(f)
		if op < 128 {
			f.barrier()
		}
	}
	f.end()
	if f.Failed() {
		f.Logf("the session:\n%s", strings.Join(f.history, "\n"))
	}
}

// note adds to the history.
func (f *fuzzSession) note(format string, args ...any) {
	f.history = append(f.history, fmt.Sprintf(format, args...))
}

// read reads answers until the connection ends.
func (f *fuzzSession) read() {
	for first := true; ; first = false {
		if gate := f.gate.Load(); gate != nil {
			<-*gate
		}
		a, err := readAnswer(f.conn)
		f.mu.Lock()
		if err != nil {
			f.broken = err
			f.mu.Unlock()
			return
		}
		if !first || a.kind != 2 { // VERSION
			f.answers = append(f.answers, a)
		}
		f.mu.Unlock()
	}
}

// pause stops reading answers, or goes on with it.
func (f *fuzzSession) pause() {
	if gate := f.gate.Load(); gate != nil {
		f.gate.Store(nil)
		close(*gate)
		return
	}
	gate := make(chan struct{})
	f.gate.Store(&gate)
}

// barrier lets the server run, and checks what it has answered and stored.
func (f *fuzzSession) barrier() {
	<-time.After(barrier)
	synctest.Wait()
	f.takeAnswers()
	if open := len(f.handles); open > maxHandles || int(f.served.handles.Load()) != open && len(f.sent) == 0 && !f.over {
		f.Errorf("%d handles are open, the server has %d", open, f.served.handles.Load())
	}
	mayWait := f.gate.Load() != nil || len(f.store.Slow) > 0 || f.over || f.panics
	if len(f.sent) > 0 && !mayWait {
		f.Errorf("%v has no answer", f.sent[0].kind)
	}
	if f.gate.Load() != nil {
		return
	}
	f.store.Lock()
	defer f.store.Unlock()
	f.model.check(f, f.touched())
}

// touched returns the names that requests without an answer may change.
func (f *fuzzSession) touched() (names []string) {
	for _, q := range f.sent {
		names = append(names, q.touch...)
	}
	return names
}

// takeAnswers changes the model as the requests that were answered say, in the order of the requests: those for related names are run
// in that order.
func (f *fuzzSession) takeAnswers() {
	f.mu.Lock()
	answers := f.answers
	f.answers = nil
	f.mu.Unlock()
	byID := make(map[uint32]answer)
	for _, a := range answers {
		if _, twice := byID[a.id]; twice {
			f.Errorf("two answers to request %d", a.id)
		}
		byID[a.id] = a
	}
	var waiting []*sentRequest
	f.single = len(f.sent) == 1
	for _, q := range f.sent {
		a, answered := byID[q.id]
		if !answered {
			waiting = append(waiting, q)
			continue
		}
		delete(byID, q.id)
		ok := f.checkAnswer(q, a)
		f.note("%d: %v", q.id, shortAnswer(a))
		if q.apply != nil {
			q.apply(a, ok)
		}
	}
	f.sent = waiting
	for id := range byID {
		f.Errorf("an answer to request %d, which was not sent or has one already", id)
	}
}

// end ends the session, and checks what is left of it.
func (f *fuzzSession) end() {
	if f.gate.Load() != nil {
		f.pause()
	}
	close(f.out)
	err := <-f.ended
	f.pumps.Wait()
	f.conn.Close()
	f.barrierAtEnd()
	var panics []event.Panic
	for _, p := range all[event.Panic](f.events) {
		if !f.panics || !bytes.Contains([]byte(p.Err.Error()), []byte(storetest.ErrPanic.Error())) {
			panics = append(panics, p)
		}
	}
	if len(panics) > 0 {
		f.Errorf("%+v", panics)
	}
	unanswered := slices.DeleteFunc(f.sent, func(q *sentRequest) bool { return q.optional })
	if orderly := !f.cut && !f.panics; orderly && ((err != nil) != f.invalid || len(unanswered) > 0) {
		f.Errorf("the channel ends with %v, and %d requests have no answer", err, len(unanswered))
	}
	f.checkNothingLeft()
}

// barrierAtEnd waits for all that goes on after the end of the channel, and checks the store.
func (f *fuzzSession) barrierAtEnd() {
	<-time.After(time.Hour)
	f.over = true
	f.takeAnswers()
	if f.broken != nil && !errors.Is(f.broken, io.EOF) && !f.cut {
		f.Errorf("the answers end with %v", f.broken)
	}
	for _, q := range f.sent {
		if q.lost != nil {
			q.lost()
		}
	}
	f.model.check(f, nil)
	f.model.checkResumable(f)
}

// checkNothingLeft checks that a session holds nothing after its end.
func (f *fuzzSession) checkNothingLeft() {
	if s := f.budget.Stats(); s.Used != 0 || s.Claims != 0 || s.Waiting != 0 {
		f.Errorf("at the end the budget has %+v", s)
	}
	if c := f.served; c.handles.Load() != 0 || c.pending.Load() != 0 || len(c.uploads.list) != 0 {
		f.Errorf("at the end %d handles are open, %d requests run, %d uploads are known", c.handles.Load(), c.pending.Load(), len(c.uploads.list))
	}
	if _, transfers := f.served.srv.sessions().Running(); transfers != 0 {
		f.Errorf("at the end %d transfers are listed", transfers)
	}
	published := 0
	for _, e := range all[event.TransferEnd](f.events) {
		if e.Direction == proxy.Upload && e.Err == nil {
			published++
		}
	}
	if published > f.closes {
		f.Errorf("%d uploads are reported as complete after %d CLOSE", published, f.closes)
	}
	f.served.entry.End()
}
