package sftp

import (
	"errors"
	"io"
	"sync/atomic"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/budget"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/packet"
)

// A download is a handle that reads one version of a file. READs in order share one stream; others get ranges of their own.
type download struct {
	s        *subsystem
	store    proxy.Store
	name     string
	entry    proxy.Entry
	queue    queue // of READ and CLOSE
	transfer *transfer
	bytes    atomic.Int64

	reader     proxy.Reader // nil = none; between two requests, connection.readers may close it
	pos, until int64        // of reader, in the file
	first      bool         // no READ has come
	stored     proxy.Stored
	lastError  error
}

// openToRead returns a handle that reads a file. Most clients read it from its beginning, so the store begins to send it at once.
func (s *subsystem) openToRead(a proxy.Account, name string) (*download, error) {
	r, err := a.Store.Open(s.ctx, name, proxy.Range{})
	if err != nil {
		return nil, err
	}
	e := r.Entry()
	d := &download{s: s, store: a.Store, name: name, entry: e, reader: r, until: e.Size, first: true, stored: r.Stored()}
	s.readers.put(d)
	return d, nil
}

// request implements handle.
func (d *download) request(q packet.Request) error {
	switch q.Type {
	case packet.Read:
		return d.s.enqueue(&d.queue, func() { d.read(q) })
	case packet.FStat:
		d.s.answer(q, attributes(d.entry), nil)
	case packet.FSetStat:
		d.s.answer(q, nil, withoutSize(q.Attributes))
	case packet.Close:
		return d.s.enqueue(&d.queue, func() {
			d.end(nil)
			d.s.answer(q, nil, nil)
		})
	default:
		d.s.answer(q, nil, failure("The handle was opened to read."))
	}
	return nil
}

// withoutSize refuses FSETSTAT of a size for a handle that does not write. Times of a file that is read are those of its access, and have
// no effect.
func withoutSize(a packet.Attributes) error {
	if a.HasSize {
		return failure("The handle was not opened to write.")
	}
	return nil
}

// end implements handle. The subsystem waits for its requests.
func (d *download) end(err error) {
	d.s.readers.take(d)
	if d.reader != nil {
		d.reader.Close()
		d.reader = nil
	}
	if d.transfer != nil {
		if d.lastError != nil {
			err = d.lastError
		}
		d.transfer.finish(err, d.bytes.Load(), d.stored)
		d.transfer = nil
	}
}

// read answers READ. No answer is shorter than asked for before the end of the file.
func (d *download) read(q packet.Request) {
	offset, size := int64(q.Offset), d.entry.Size
	n := min(int64(q.Length), packet.MaxData, size-offset)
	if offset < 0 || offset >= size {
		d.s.answer(q, nil, io.EOF)
		return
	}
	d.s.readers.take(d)
	defer d.s.readers.put(d)
	if err := d.readRange(q.ID, offset, n); err != nil {
		d.lastError = err
		d.s.answer(q, nil, observedError{err})
	}
}

func (d *download) readRange(id uint32, offset, n int64) error {
	if d.transfer == nil {
		t, err := d.s.startTransfer(proxy.Download, "READ", d.name, offset, d.bytes.Load)
		if err != nil {
			return err
		}
		d.transfer = t
	}
	room := 0
	if n > budget.SmallBufferSize { // a small buffer may have no room
		room = packet.DataHeaderSize
	}
	buffer, giveBack, err := d.s.buffer(room + int(n))
	if err != nil {
		return err
	}
	defer giveBack()
	for got := int64(0); got < n; {
		if err := d.position(offset+got, n-got); err != nil {
			return err
		}
		m, err := io.ReadFull(d.reader, buffer[room:][got:min(n, got+d.until-d.pos)])
		got, d.pos = got+int64(m), d.pos+int64(m)
		if err == nil && d.pos == d.until {
			err = atEnd(d.reader)
		}
		if err != nil {
			d.reader.Close()
			d.reader = nil
			return err
		}
	}
	d.s.replies.sendData(id, buffer, room)
	d.bytes.Add(n)
	return nil
}

// atEnd returns the error of a reader after its last byte: a store may find only there that the content is damaged.
func atEnd(r io.Reader) error {
	var b [1]byte
	switch n, err := r.Read(b[:]); {
	case n > 0:
		return errors.New("the storage has sent more than was requested")
	case err == io.EOF:
		return nil
	default:
		return err
	}
}

// position makes d.reader read n bytes, or more, from offset. After a jump it reads only those n bytes; if the next READ goes on
// there, all of the rest.
func (d *download) position(offset, n int64) error {
	inOrder := offset == d.pos
	if d.reader != nil && inOrder && d.pos < d.until {
		d.first = false
		return nil
	}
	length := n
	if d.first || inOrder {
		length = 0
	}
	if d.reader != nil {
		d.reader.Close()
		d.reader = nil
	}
	r, err := d.store.Open(d.s.ctx, d.name, proxy.Range{ETag: d.entry.ETag, Offset: offset, Length: length})
	if err != nil {
		return err
	}
	d.reader, d.pos, d.until, d.first = r, offset, d.entry.Size, false
	if length > 0 {
		d.until = offset + length
	}
	return nil
}
