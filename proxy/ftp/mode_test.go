package ftp

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy/ftp/modez"
)

// While the maximal number of transfers compress, a further one sends an uncompressed zlib stream. In both cases, the bytes of the file
// are counted, not those of the stream.
func TestTransferBeyondMaxCompressing(t *testing.T) {
	content := []byte(strings.Repeat("a", 1000))
	compressor := new(modez.Compressor)
	sent := func() int {
		wire := new(bytes.Buffer)
		tr := &transfer{mode: transferMode{true, modez.DefaultLevel}, compressor: compressor,
			conn: &dataConn{Conn: onlyWrites{Writer: wire}, bytes: new(atomic.Int64)}}
		if err := tr.send(func(w io.Writer) error { _, err := w.Write(content); return err }); err != nil || tr.bytes.Load() != 1000 {
			t.Errorf("%d bytes, %v", tr.bytes.Load(), err)
		}
		n := wire.Len()
		if got, err := io.ReadAll(modez.NewReader(wire, time.Hour)); !bytes.Equal(got, content) || err != nil {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		return n
	}
	// occupy runs f while streams other streams are being compressed.
	var occupy func(streams int, f func()) error
	occupy = func(streams int, f func()) error {
		if streams == 0 {
			f()
			return nil
		}
		return compressor.Compress(io.Discard, 1, func(io.Writer) error { return occupy(streams-1, f) })
	}
	for streams := range modez.MaxCompressing + 1 {
		err := occupy(streams, func() {
			if n, compressed := sent(), streams < modez.MaxCompressing; compressed && n > 100 || !compressed && n < 1000 {
				t.Errorf("%d bytes are sent while %d others compress", n, streams)
			}
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// onlyWrites is a connection that supports Write only.
type onlyWrites struct {
	io.Writer
	net.Conn
}

func (o onlyWrites) Write(p []byte) (int, error) { return o.Writer.Write(p) }

// onlyReads is a connection that supports Read only.
type onlyReads struct {
	io.Reader
	net.Conn
}

func (o onlyReads) Read(p []byte) (int, error) { return o.Reader.Read(p) }

// An upload in MODE Z counts the bytes of the file, not those of the stream.
func TestUploadInModeZCountsDecompressedBytes(t *testing.T) {
	wire, content := new(bytes.Buffer), make([]byte, 100<<10)
	err := new(modez.Compressor).Compress(wire, 9, func(w io.Writer) error { _, err := w.Write(content); return err })
	if err != nil {
		t.Fatal(err)
	}
	for _, whole := range []bool{true, false} {
		stream, want := wire.Bytes(), error(nil)
		if !whole {
			stream, want = stream[:wire.Len()-1], modez.ErrTruncated
		}
		var counted atomic.Int64
		got, err := io.ReadAll(decompressed{modez.NewReader(bytes.NewReader(stream), time.Hour), &counted})
		if err != want || counted.Load() != int64(len(got)) || whole != (len(got) == len(content)) {
			t.Errorf("complete stream: %v: %d bytes, counted as %d, %v", whole, len(got), counted.Load(), err)
		}
	}
}

// A zlib stream without data fails as a stalled data connection, not as an error of the store.
func TestStalledZlibStreamIsADataError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := &transfer{mode: transferMode{on: true}, stall: time.Minute,
			conn: &dataConn{Conn: onlyReads{Reader: io.MultiReader(strings.NewReader("\x78\x9c"), io.LimitReader(emptyBlocks{}, 5*600))}, bytes: new(atomic.Int64)}}
		_, err := io.ReadAll(tr.received())
		if !errors.As(err, new(dataError)) || !errors.Is(err, os.ErrDeadlineExceeded) || replyTo(err).code != 426 {
			t.Errorf("got %v, want a dataError with os.ErrDeadlineExceeded and the reply 426", err)
		}
	})
}

// emptyBlocks is a source of zlib blocks without data, one a second.
type emptyBlocks struct{}

func (emptyBlocks) Read(p []byte) (int, error) {
	<-time.After(time.Second)
	return copy(p, "\x00\x00\x00\xff\xff"), nil
}
