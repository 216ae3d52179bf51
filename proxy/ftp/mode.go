package ftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/ftp/modez"
)

// A transferMode is MODE S or Z. The zero value is MODE S.
type transferMode struct {
	on    bool
	level int // compression level of downloads
}

func (p transferMode) String() string {
	if p.on {
		return "Z"
	}
	return "S"
}

// cmdMode selects stream mode or a zlib stream (draft-preston-ftpext-deflate-04).
func (s *session) cmdMode(_ context.Context, arg string) error {
	switch mode := strings.ToUpper(arg); mode {
	case "S", "Z":
		s.mode.on = mode == "Z"
		return s.ok(200, "Mode set to "+s.mode.String()+".")
	case "B", "C":
		return reply{504, "Mode not implemented, use MODE S or MODE Z."}
	}
	return reply{501, "Unknown mode, use MODE S or MODE Z."}
}

// optsMode sets compression options, given as names and values; without them it restores the defaults. An invalid option
// changes nothing.
func (s *session) optsMode(options string) error {
	words := strings.Fields(strings.ToUpper(options))
	if len(words)%2 == 0 || words[0] != "Z" {
		return reply{501, "Use OPTS MODE Z [option value] ..."}
	}
	level := modez.DefaultLevel
	if len(words) > 1 {
		level = s.mode.level
	}
	for i := 1; i < len(words); i += 2 {
		switch option, value := words[i], words[i+1]; {
		case option == "LEVEL" && len(value) == 1 && isNumber(value):
			level, _ = strconv.Atoi(value)
		case option == "ENGINE" && value == "ZLIB", option == "METHOD" && value == "8":
		default:
			return reply{501, "Options are LEVEL 0 to 9, ENGINE ZLIB and METHOD 8."}
		}
	}
	s.mode.level = level
	return s.ok(200, fmt.Sprintf("MODE Z ENGINE ZLIB METHOD 8 LEVEL %d", level))
}

// send calls write with a writer in the transfer's mode. If write fails in MODE Z, the stream gets no proper end.
func (t *transfer) send(write func(io.Writer) error) error {
	if !t.mode.on {
		return write(t.conn)
	}
	return t.compressor.Compress(t.conn, t.mode.level, func(w io.Writer) error {
		return write(countingWriter{w, &t.bytes})
	})
}

// A countingWriter counts bytes.
type countingWriter struct {
	io.Writer
	bytes *atomic.Int64
}

func (w countingWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	w.bytes.Add(int64(n))
	return n, err
}

// received returns a reader of the client's data in the transfer's mode.
func (t *transfer) received() io.Reader {
	if !t.mode.on {
		return t.conn
	}
	return decompressed{modez.NewReader(t.conn, t.stall), &t.bytes}
}

// A decompressed reads an upload in MODE Z and counts its bytes. A stalled stream is an error of the data connection.
type decompressed struct {
	*modez.Reader
	bytes *atomic.Int64
}

func (d decompressed) Read(p []byte) (int, error) {
	n, err := d.Reader.Read(p)
	d.bytes.Add(int64(n))
	switch {
	case errors.Is(err, modez.ErrStalled):
		err = dataError{err}
	case errors.Is(err, modez.ErrCorrupt):
		err = fmt.Errorf("%w: %w", proxy.ErrDiscard, err) // the bytes before may be wrong, too
	}
	return n, err
}
