package s3fs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// Open opens a range of a file for reading. The reader is also an io.WriterTo, which is the cheapest way to read all of
// it.
//
// An offset equal to the size of the file reads nothing; a larger one is syscall.ESPIPE. All bytes are of one version of
// the file. If the file is replaced or deleted before all of them have been requested, the error is proxy.ErrStale. The
// reader returns io.EOF only if all bytes have come, and match the checksum that S3 stores.
func (f *FS) Open(ctx context.Context, name string, at proxy.Range) (proxy.Reader, error) {
	d, err := f.open(ctx, name, at)
	if err != nil {
		return nil, wrap("open", name, err)
	}
	return d, nil
}

func (f *FS) open(ctx context.Context, name string, at proxy.Range) (*download, error) {
	key, err := f.fileKey(name)
	if err != nil {
		return nil, err
	}
	if at.Offset < 0 {
		return nil, syscall.ESPIPE
	}
	in := &s3.GetObjectInput{Bucket: &f.bucket, Key: &key}
	if at.ETag != "" {
		in.IfMatch = quoted(at.ETag)
	}
	switch {
	case at.Length > 0 && at.Length <= math.MaxInt64-at.Offset:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", at.Offset, at.Offset+at.Length-1))
	case at.Offset > 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", at.Offset))
	}
	d, err := f.openFirst(ctx, in, at)
	if at.ETag != "" && (isConditionFailed(err) || errors.Is(err, fs.ErrNotExist)) {
		err = fmt.Errorf("%w: %v", proxy.ErrStale, err)
	}
	if err != nil {
		return nil, err
	}
	if at.ETag != "" && !sameETag(d.info.etag, at.ETag) { // the service ignores If-Match
		d.Close()
		return nil, fmt.Errorf("%w: the ETag is %s, not %s", proxy.ErrStale, d.info.etag, at.ETag)
	}
	d.name = name
	return d, nil
}

// openFirst sends the first request of a download. Its response determines the version that all others must have.
func (f *FS) openFirst(ctx context.Context, in *s3.GetObjectInput, at proxy.Range) (*download, error) {
	out, options, err := f.getWithLength(ctx, in, at)
	if errors.Is(err, syscall.ESPIPE) {
		return f.openAtEnd(ctx, *in.Key, at.Offset)
	}
	if err != nil {
		return nil, err
	}
	v := &version{fs: f, key: *in.Key, etag: aws.ToString(out.ETag), id: aws.ToString(out.VersionId), options: options}
	var end int64
	if v.size, end, err = checkRange(out, at); err != nil {
		out.Body.Close()
		return nil, err
	}
	d := newDownload(ctx, v, at.Offset, end, out.Body)
	if in.Range == nil {
		d.verifier = newVerifier(out)
	}
	d.info = info{
		name:  path.Base(v.key),
		size:  v.size,
		mtime: mtime(out.Metadata, out.LastModified),
		etag:  unquote(out.ETag),
	}
	return d, nil
}

// checkRange returns the size of the object and the end of the requested range. It fails unless the response has that
// range, or the whole object and the range begins at 0, as some services ignore Range.
func checkRange(out *s3.GetObjectOutput, at proxy.Range) (size, end int64, err error) {
	end = at.Offset + *out.ContentLength
	r, ok := parseRange(out.ContentRange)
	if !ok && at.Offset == 0 && out.ContentRange == nil {
		r = byteRange{0, end - 1, end}
	}
	last := r.total
	if 0 < at.Length && at.Length < last-at.Offset {
		last = at.Offset + at.Length
	}
	whole := at.Offset == 0 && end == r.total
	if r != (byteRange{at.Offset, end - 1, r.total}) || end != last && !whole {
		return 0, 0, fmt.Errorf("requested %d bytes (0 = all) from offset %d, got %q with %d bytes",
			at.Length, at.Offset, aws.ToString(out.ContentRange), *out.ContentLength)
	}
	return r.total, last, nil
}

// openAtEnd returns an empty download for a range at the end of the file, which S3 refuses as invalid.
func (f *FS) openAtEnd(ctx context.Context, key string, offset int64) (*download, error) {
	i, err := f.head(ctx, key)
	if err != nil {
		return nil, err
	}
	if offset != i.size {
		return nil, fmt.Errorf("offset %d of %d bytes: %w", offset, i.size, syscall.ESPIPE)
	}
	d := newDownload(ctx, &version{fs: f, key: key, size: i.size}, offset, offset, nil)
	d.info = *i
	return d, nil
}

// A download reads a range of a file. It begins with the stream that Open requested. If the client waits for that single
// connection, the download prefetches the following ranges in parallel.
//
// The bytes come from stream up to its end, then from the prefetched ranges in their order.
type download struct {
	*version
	ctx          context.Context // of Open
	name         string
	info         info
	offset       int64 // of the next byte to return
	streamStart  int64 // offset of the first byte of stream
	end          int64 // of the range
	stream       *stream
	prefetched   []*rangeFetch
	prefetchCtx  context.Context    // of the prefetched ranges alone
	stopPrefetch context.CancelFunc // cancels prefetchCtx; nil = nothing was prefetched
	concurrency  *readConcurrency
	verifier     *verifier // nil = the content cannot be verified
	buffer       []byte    // of the last chunk, if it was prefetched
	unread       []byte    // bytes of the last chunk, for the next Read
	err          error     // returned by all further calls
}

func newDownload(ctx context.Context, v *version, offset, end int64, body io.ReadCloser) *download {
	return &download{
		version:     v,
		ctx:         ctx,
		offset:      offset,
		streamStart: offset,
		end:         end,
		stream:      &stream{version: v, ctx: ctx, at: offset, end: end, body: body},
		concurrency: newReadConcurrency(),
	}
}

// Read implements io.Reader.
func (d *download) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(d.unread) == 0 {
		chunk, err := d.nextChunk(p)
		if err != nil {
			return 0, err
		}
		if d.buffer == nil {
			return len(chunk), nil // it is in p
		}
		d.unread = chunk
	}
	n := copy(p, d.unread)
	d.unread = d.unread[n:]
	return n, nil
}

// WriteTo implements io.WriterTo, with a buffer from the budget.
func (d *download) WriteTo(w io.Writer) (total int64, err error) {
	buf, giveBack, err := d.fs.share.Borrow(d.ctx, d.fs.stall)
	if err != nil {
		return 0, wrap("read", d.name, err)
	}
	defer giveBack()
	for {
		chunk := d.unread
		if d.unread = nil; len(chunk) == 0 {
			if chunk, err = d.nextChunk(buf); err == io.EOF {
				return total, nil
			} else if err != nil {
				return total, err
			}
		}
		n, err := w.Write(chunk)
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
}

// nextChunk returns the next chunk, of at least one byte: in buf, or in a buffer that is valid until the next call. After
// an error it returns that error again. io.EOF means that the range is complete and verified.
func (d *download) nextChunk(buf []byte) ([]byte, error) {
	if d.err != nil {
		return nil, d.err
	}
	begin := time.Now()
	d.returnBuffer()
	d.prefetch()
	chunk, err := d.receive(buf)
	if err == io.EOF {
		err = d.verifier.result()
	}
	if err != nil {
		if err != io.EOF {
			err = wrap("read", d.name, err)
		}
		d.err = err
		return nil, err
	}
	d.offset += int64(len(chunk))
	d.verifier.add(chunk)
	d.concurrency.record(int64(len(chunk)), begin, d.fs.budget.HalfFree)
	return chunk, nil
}

// receive waits for the next bytes, from the stream or from a prefetched range.
func (d *download) receive(buf []byte) ([]byte, error) {
	for d.offset < d.end {
		if d.stream.at < d.stream.end {
			n, err := d.stream.Read(buf)
			return buf[:n], err
		}
		d.stream.close()
		if len(d.prefetched) == 0 {
			d.streamStart = d.offset
			d.stream = &stream{version: d.version, ctx: d.ctx, at: d.offset, end: d.end}
			continue
		}
		buffer, ok := <-d.prefetched[0].buffers
		if ok {
			d.buffer = buffer
			return buffer, nil
		}
		if err := d.prefetched[0].err; err != nil {
			return nil, err
		}
		d.prefetched = d.prefetched[1:]
	}
	return nil, io.EOF
}

// returnBuffer gives the buffer of the last chunk back to the budget.
func (d *download) returnBuffer() {
	if d.buffer != nil {
		d.fs.share.ReturnPrefetched(d.buffer)
		d.buffer, d.unread = nil, nil
	}
}

// Close implements io.Closer. It cancels all requests and returns all buffers to the budget.
func (d *download) Close() error {
	if d.err == nil {
		d.err = wrap("read", d.name, fs.ErrClosed)
	}
	if d.stopPrefetch != nil {
		d.stopPrefetch()
	}
	d.returnBuffer()
	err := d.stream.close()
	for _, s := range d.prefetched {
		for buffer := range s.buffers {
			d.fs.share.ReturnPrefetched(buffer)
		}
	}
	d.prefetched = nil
	return err
}

// Entry implements proxy.Reader.
func (d *download) Entry() proxy.Entry { return d.info.entry() }

// Stored implements proxy.Reader.
func (d *download) Stored() proxy.Stored {
	v := d.stream.version
	return proxy.Stored{Bucket: v.fs.bucket, Key: v.key, Size: d.info.size, ETag: d.info.etag, Version: v.id}
}
