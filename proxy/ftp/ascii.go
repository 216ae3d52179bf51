package ftp

import (
	"bufio"
	"bytes"
	"io"
)

// An asciiReader converts CR LF, the line end of TYPE A, to LF (RFC 959, section 3.1.1.1). Other CRs are kept. Errors are returned
// at their place in the stream.
type asciiReader struct {
	r   io.Reader
	in  []byte // unread input; a final CR waits for the next byte
	buf []byte
	err error
}

func (a *asciiReader) Read(p []byte) (n int, err error) {
	for n == 0 && len(p) > 0 {
		if len(a.in) == 0 || len(a.in) == 1 && a.in[0] == '\r' && a.err == nil {
			if a.err != nil {
				return 0, a.err
			}
			a.fill()
			continue
		}
		n = a.convert(p)
	}
	return n, nil
}

// fill reads more input; at most one CR is left of the previous.
func (a *asciiReader) fill() {
	if a.buf == nil {
		a.buf = make([]byte, 32<<10)
	}
	kept := copy(a.buf, a.in)
	n, err := a.r.Read(a.buf[kept:])
	a.in, a.err = a.buf[:kept+n], err
}

// convert moves bytes from a.in to p. It leaves a final CR unless the input has ended.
func (a *asciiReader) convert(p []byte) (n int) {
	for n < len(p) && len(a.in) > 0 {
		run := bytes.IndexByte(a.in, '\r')
		switch {
		case run < 0:
			run = len(a.in)
		case run > 0:
		case len(a.in) > 1 && a.in[1] == '\n':
			a.in = a.in[1:]
			run = 1
		case len(a.in) > 1 || a.err != nil:
			run = 1
		default:
			return n
		}
		m := copy(p[n:], a.in[:run])
		n, a.in = n+m, a.in[m:]
	}
	return n
}

// An asciiWriter converts LF to CR LF, unless a CR precedes it.
type asciiWriter struct {
	w    io.Writer
	out  *bufio.Writer
	last byte
}

func (a *asciiWriter) Write(p []byte) (n int, err error) {
	if a.out == nil {
		a.out = bufio.NewWriterSize(a.w, 32<<10)
	}
	for len(p) > 0 {
		run := bytes.IndexByte(p, '\n')
		if run < 0 {
			run = len(p)
		}
		if run > 0 {
			a.out.Write(p[:run])
			a.last = p[run-1]
		}
		if run < len(p) {
			if a.last != '\r' {
				a.out.WriteByte('\r')
			}
			a.out.WriteByte('\n')
			a.last = '\n'
			run++
		}
		n, p = n+run, p[run:]
	}
	return n, a.out.Flush()
}
