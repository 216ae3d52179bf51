package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"syscall"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/names"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/packet"
)

// A directory is a handle that lists a directory, as the store returns its entries.
type directory struct {
	s        *subsystem
	codec    names.Codec
	queue    queue     // of READDIR and CLOSE
	begun    time.Time // for the times in long names
	next     func() (proxy.Entry, error, bool)
	stop     func()
	first    *proxy.Entry // read by OPENDIR
	err      error        // of the listing; io.EOF at its end
	transfer *transfer
	reserved bool // directoryMemory of the budget
}

const (
	// directoryMemory is about what an open directory holds: a page of 1,000 entries, and the next one.
	directoryMemory = 2 << 20

	// freeDirectories is how many open directories of a connection need no memory of the budget.
	freeDirectories = 8
)

// takeMemory takes the memory of an open directory: a client could open thousands. Only SCP waits for it, as transfers do: in SFTP, what
// holds the memory may stand behind OPENDIR.
func (d *directory) takeMemory(ctx context.Context) error {
	c := d.s.connection
	if c.directories.Add(1) <= freeDirectories {
		return nil
	}
	c.directories.Add(-1)
	for begin := time.Now(); !c.memory.Reserve(directoryMemory); {
		if d.s.in != nil || time.Since(begin) >= c.srv.stallTimeout() {
			return fmt.Errorf("open directories hold too much: %w", syscall.ENOBUFS)
		}
		select {
		case <-time.After(budgetPoll):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	d.reserved = true
	return nil
}

// returnMemory undoes takeMemory.
func (d *directory) returnMemory() {
	if d.reserved {
		d.s.memory.Unreserve(directoryMemory)
		return
	}
	d.s.connection.directories.Add(-1)
}

// openDir answers OPENDIR after the store's first answer.
func (s *subsystem) openDir(ctx context.Context, a proxy.Account, name string) (reply, error) {
	if err := s.reserve(); err != nil {
		return nil, err
	}
	d, err := s.newDirectory(ctx, a, "READDIR", name, "")
	if err != nil {
		s.add(nil)
		return nil, err
	}
	return s.add(d), nil
}

// newDirectory lists the entries whose names begin with a prefix.
func (s *subsystem) newDirectory(ctx context.Context, a proxy.Account, command, name, prefix string) (*directory, error) {
	d := &directory{s: s, codec: codec(a), begun: time.Now()}
	err := d.takeMemory(ctx)
	if err != nil {
		return nil, err
	}
	opened := false
	defer func() { // also after a panic
		if !opened {
			d.returnMemory()
		}
	}()
	if d.transfer, err = s.startTransfer(proxy.Listing, command, name, 0, func() int64 { return 0 }); err != nil {
		return nil, err
	}
	defer func() {
		if !opened {
			d.transfer.leave()
		}
	}()
	d.next, d.stop = iter.Pull2(a.Store.List(ctx, name, prefix))
	e, err, more := d.next()
	switch {
	case err == nil && more:
		d.first = &e
	case err == nil:
		d.err = io.EOF
	case errors.Is(err, fs.ErrNotExist) && (s.isHomeOrAbove(a, name) || s.known.has(name)):
		d.err = io.EOF
	default:
		d.stop()
		if errors.Is(err, fs.ErrNotExist) && isFile(ctx, a, name) {
			err = syscall.ENOTDIR
		}
		return nil, err
	}
	opened = true
	s.known.add(name)
	return d, nil
}

// isFile reports whether a file has the name.
func isFile(ctx context.Context, a proxy.Account, name string) bool {
	e, err := a.Store.Stat(ctx, name)
	return err == nil && !e.Dir && !e.Resumable
}

// request implements handle.
func (d *directory) request(q packet.Request) error {
	switch q.Type {
	case packet.ReadDir:
		return d.s.enqueue(&d.queue, func() { d.read(q) })
	case packet.Close:
		return d.s.enqueue(&d.queue, func() {
			d.end(nil)
			d.s.answer(q, nil, nil)
		})
	case packet.FStat:
		d.s.answer(q, attributes(proxy.Entry{Dir: true}), nil)
	case packet.FSetStat:
		d.s.answer(q, nil, withoutSize(q.Attributes))
	default:
		d.s.answer(q, nil, failure("The handle is a directory."))
	}
	return nil
}

// end implements handle. The subsystem waits for its requests.
func (d *directory) end(err error) {
	d.stop()
	d.returnMemory()
	if d.err != nil && d.err != io.EOF {
		err = d.err
	}
	d.transfer.finish(err, 0, proxy.Stored{})
}

// The size of a reply to READDIR. Some clients take no packets of more than 34,000 bytes.
const (
	maxEntries   = 100
	maxNameBytes = 24 << 10
)

// read answers READDIR.
func (d *directory) read(q packet.Request) {
	var entries []packet.Name
	for bytes := 0; len(entries) < maxEntries && bytes < maxNameBytes; {
		e, ok := d.nextEntry()
		if !ok {
			break
		}
		if !d.codec.CanEncode(e.Name) { // the client could not name it
			continue
		}
		name, _ := d.codec.Encode(e.Name)
		long := longLine(e, name, d.begun)
		bytes += len(name) + len(long) + 44
		entries = append(entries, packet.Name{Name: name, Long: long, Attributes: attributesOf(e)})
	}
	if len(entries) == 0 {
		err := d.err
		if err != io.EOF {
			err = observedError{err}
		}
		d.s.answer(q, nil, err)
		return
	}
	d.s.replies.send(q.ID, func(b []byte, id uint32) []byte { return packet.AppendNames(b, id, entries...) })
}

// nextEntry returns the next entry of the listing; at its end, or after an error, it sets d.err.
func (d *directory) nextEntry() (proxy.Entry, bool) {
	if e := d.first; e != nil {
		d.first = nil
		return *e, true
	}
	if d.err != nil {
		return proxy.Entry{}, false
	}
	e, err, more := d.next()
	switch {
	case err != nil:
		d.err = err
	case !more:
		d.err = io.EOF
	default:
		return e, true
	}
	return proxy.Entry{}, false
}
