package sftp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"sync"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
	"github.com/s3ftpd/s3ftpd/proxy/names"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/packet"
)

const (
	maxHandles = 128 // open handles of a channel
	maxWaiting = 64  // requests of a channel that run or wait; then it is not read
)

// A subsystem is a channel with the subsystem "sftp". One goroutine reads its requests and runs those of uploads. Requests that ask
// the store run in goroutines of their own, so that a slow one holds up no others.
type subsystem struct {
	*connection
	ctx     context.Context // ends with the channel, unless the client has closed that in order
	source  *packetSource
	in      *packet.Reader // of source; nil = SCP
	replies *replies
	order   pathOrder
	waiting chan struct{} // a slot of each request that runs or waits
	tasks   sync.WaitGroup

	mu      sync.Mutex
	handles map[string]handle
	opening int // requests that will make a handle
	last    int // number of the last handle
}

// A handle is an open file or directory.
type handle interface {
	// request runs a request, or begins to. The caller is the goroutine that reads the requests. An error ends the channel.
	request(q packet.Request) error

	// end ends a handle: err says why if it was not closed.
	end(err error)
}

// serveSFTP serves the requests of a channel until it ends. It returns nil if the client has closed it in order.
func (c *connection) serveSFTP(ctx context.Context, channel io.ReadWriteCloser) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := &subsystem{
		connection: c, ctx: ctx, waiting: make(chan struct{}, maxWaiting), handles: map[string]handle{},
	}
	s.source = newPacketSource(s, channel, func() bool { return s.in.InPacket() })
	defer s.source.stop()
	s.in = packet.NewReader(s.source)
	s.replies = newReplies(channel, func(send func()) {
		s.tasks.Go(func() {
			defer c.recoverPanic("sending replies")
			send()
		})
	})
	err := s.run()
	lost := errChannelLost
	if err != nil {
		lost = fmt.Errorf("%w: %w", errChannelLost, err)
		cancel(lost)
	}
	s.tasks.Wait() // the client may wait for the answers of what it has sent, such as CLOSE
	for _, h := range s.handles {
		s.tasks.Go(func() {
			defer c.handles.Add(-1)
			defer c.recoverPanic("end of a handle")
			h.end(lost)
		})
	}
	s.tasks.Wait()
	return err
}

// errNotInit ends a channel whose first packet is not INIT.
var errNotInit = errors.New("the first packet is not INIT")

// run reads requests and runs them, until the channel ends.
func (s *subsystem) run() error {
	q, err := s.in.Next()
	switch {
	case err == io.EOF:
		return nil
	case err == nil && q.Type != packet.Init:
		return errNotInit
	case err != nil:
		return err
	}
	s.replies.send(0, func(b []byte, _ uint32) []byte {
		return packet.AppendVersion(b, append(offered[:len(offered):len(offered)], s.srv.vendorID()))
	})
	for {
		q, err := s.in.Next()
		switch {
		case err == io.EOF:
			return nil
		case errors.Is(err, packet.ErrMalformed):
			s.answer(q, nil, dueTo{status{packet.BadMessage, "Malformed packet."}, err})
			return err
		case err != nil:
			return err
		}
		if err := s.handle(q); err != nil {
			return err
		}
	}
}

// handle runs a request, or begins to. An error ends the channel.
func (s *subsystem) handle(q packet.Request) error {
	if isHandleRequest(q.Type) {
		return s.handleRequest(q, q.Handle)
	}
	account, err := s.refresh()
	if err != nil {
		s.answer(q, nil, err)
		return err
	}
	row, known := requests[q.Type]
	if q.Type == packet.Extended {
		row, known = extensions[q.Extension]
	}
	if !known {
		s.answer(q, nil, unsupported("Not supported."))
		return nil
	}
	return row.run(s, account, q)
}

// isHandleRequest reports whether a request names a handle.
func isHandleRequest(t packet.Type) bool {
	switch t {
	case packet.Close, packet.FStat, packet.FSetStat, packet.Read, packet.Write, packet.ReadDir:
		return true
	}
	return false
}

// handleRequest passes a request on to its handle. If CLOSE cannot run because the channel ends, serveSFTP ends the handle, after the
// requests that use it.
func (s *subsystem) handleRequest(q packet.Request, number string) error {
	h := s.handleOf(number)
	if h == nil {
		s.answer(q, nil, errUnknownHandle)
		return nil
	}
	err := h.request(q)
	if err == nil && q.Type == packet.Close {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.handles, number)
		s.connection.handles.Add(-1)
	}
	return err
}

// errUnknownHandle refuses a request for a handle that is not open.
var errUnknownHandle = failure("Unknown handle.")

// handleOf returns an open handle, or nil.
func (s *subsystem) handleOf(number string) handle {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.handles[number]
}

// errTooManyHandles refuses OPEN and OPENDIR.
var errTooManyHandles = failure("Too many open handles.")

// reserve makes sure that a handle can be added.
func (s *subsystem) reserve() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.drain.Err() != nil {
		return failure(farewell(s.drainCause()))
	}
	if len(s.handles)+s.opening >= maxHandles {
		return errTooManyHandles
	}
	s.opening++
	return nil
}

// add adds the handle that reserve was called for, or none if h is nil.
func (s *subsystem) add(h handle) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opening--
	if h == nil {
		return nil
	}
	s.last++
	number := strconv.Itoa(s.last)
	s.handles[number] = h
	s.connection.handles.Add(1)
	return func(b []byte, id uint32) []byte { return packet.AppendHandle(b, id, number) }
}

// start runs work for a request in a goroutine, after earlier requests for related names. change says that it changes them.
func (s *subsystem) start(q packet.Request, change bool, paths []string, work func(ctx context.Context) (reply, error)) error {
	return s.startIn(s.ctx, q, change, paths, work)
}

// startIn is start with a context for the work.
func (s *subsystem) startIn(
	ctx context.Context, q packet.Request, change bool, paths []string, work func(ctx context.Context) (reply, error),
) error {
	q.Data = nil // what waits for its turn must not hold the whole packet
	return s.slot(func(release func()) {
		turn := s.order.enter(change, paths...)
		s.tasks.Go(func() {
			defer s.recoverPanic("request")
			defer release()
			defer s.order.leave(turn)
			err := turn.await(ctx)
			var answer reply
			if err == nil {
				answer, err = work(ctx)
			}
			s.answer(q, answer, err)
		})
	})
}

// slot calls begin once fewer than maxWaiting requests run or wait. begin must see to it that release is called. The error ends the
// channel.
func (s *subsystem) slot(begin func(release func())) error {
	select {
	case s.waiting <- struct{}{}:
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
	s.pending.Add(1)
	begin(func() {
		s.pending.Add(-1)
		<-s.waiting
	})
	return nil
}

// attributes is the reply with the attributes of an entry.
func attributes(e proxy.Entry) reply {
	a := attributesOf(e)
	return func(b []byte, id uint32) []byte { return packet.AppendAttributes(b, id, a) }
}

// answer sends the reply to a request: that of err, or answer, or OK.
func (s *subsystem) answer(q packet.Request, answer reply, err error) {
	if err != nil || answer == nil {
		result := statusOf(err)
		answer = func(b []byte, id uint32) []byte { return packet.AppendStatus(b, id, result.code, result.text) }
	}
	if err != nil && err != io.EOF && !errors.As(err, new(observedError)) {
		s.reportFailure(q, err)
	}
	s.replies.send(q.ID, answer)
}

// An observedError is the error of a request whose failure an event has reported already.
type observedError struct{ error }

func (e observedError) Unwrap() error { return e.error }

// reportFailure reports a failed request.
func (s *subsystem) reportFailure(q packet.Request, err error) {
	command := q.Type.String()
	if q.Type == packet.Extended {
		command = q.Extension
	}
	known := q.Type != packet.Extended || isOffered(q.Extension)
	command, name := command[:min(len(command), maxLoggedCommand)], q.Path[:min(len(q.Path), maxPath)]
	e := event.CommandFailed{Command: command, Name: name, Code: int(statusOf(err).code), Cause: causeOf(err), Err: err}
	s.observe(s.ctx, s.refusals.Count(e, known))
}

// codec returns the charset of names on the wire.
func codec(a proxy.Account) names.Codec {
	return names.Codec{Charset: a.Compat.Names, Backslash: a.Compat.Backslash}
}

// maxPath limits the bytes of a path, as PATH_MAX does on Linux. Names of the store are shorter, but requests keep the path while they
// wait, and the log shows it.
const maxPath = 4096

// resolve returns the name of a Store for a path of the client.
func resolve(a proxy.Account, path string) (string, error) {
	if len(path) > maxPath {
		return "", fs.ErrInvalid
	}
	return names.Resolve(home(a), codec(a).DecodePath(path))
}

// home returns the directory that relative paths begin at.
func home(a proxy.Account) string { return cmp.Or(a.Home, "/") }
