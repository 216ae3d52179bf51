package faults

import (
	"crypto/md5"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"
)

// RequestID is the request ID in answers that a Proxy makes itself.
const RequestID = "FAULT0123456789"

// Late forwards a request after a delay.
func Late(d time.Duration) Fault {
	return func(p *Proxy, w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(d):
		case <-p.Done:
		}
		p.Forward.ServeHTTP(w, r)
	}
}

// ResetAfter resets the connection after that many bytes of a request's body.
func ResetAfter(n int64) Fault {
	return func(_ *Proxy, w http.ResponseWriter, r *http.Request) {
		io.CopyN(io.Discard, r.Body, n)
		Cut(w)
	}
}

// Reset resets the connection instead of forwarding the request.
func Reset(_ *Proxy, w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	Cut(w)
}

// Lost forwards a request, and resets the connection instead of returning the answer.
func Lost(p *Proxy, w http.ResponseWriter, r *http.Request) {
	p.Forward.ServeHTTP(httptest.NewRecorder(), r)
	Cut(w)
}

// Stall reads that many bytes of a request's body, and then nothing more.
func Stall(n int64) Fault {
	return func(p *Proxy, _ http.ResponseWriter, r *http.Request) {
		io.CopyN(io.Discard, r.Body, n)
		<-p.Done
		panic(http.ErrAbortHandler)
	}
}

// Refuse answers with an error.
func Refuse(status int, code string) Fault {
	return func(_ *Proxy, w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		Answer(w, status, code)
	}
}

func Answer(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("X-Amz-Request-Id", RequestID)
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>a secret of S3's</Message><RequestId>%s</RequestId></Error>`, code, RequestID)
}

// FailAfter forwards a request, and answers with an error all the same.
func FailAfter(status int, code string) Fault {
	return func(p *Proxy, w http.ResponseWriter, r *http.Request) {
		p.Forward.ServeHTTP(httptest.NewRecorder(), r)
		Answer(w, status, code)
	}
}

// Damage flips a bit of a request's body.
func Damage(p *Proxy, w http.ResponseWriter, r *http.Request) {
	r.Body = &flipped{ReadCloser: r.Body, at: r.ContentLength / 2}
	p.Forward.ServeHTTP(w, r)
}

// flipped flips a bit of the byte at an offset.
type flipped struct {
	io.ReadCloser
	at int64
}

func (f *flipped) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	f.flip(p[:n])
	return n, err
}

func (f *flipped) flip(p []byte) {
	if 0 <= f.at && f.at < int64(len(p)) {
		p[f.at] ^= 1
	}
	f.at -= int64(len(p))
}

// Swallow confirms a part without forwarding it.
func Swallow(_ *Proxy, w http.ResponseWriter, r *http.Request) {
	sum := md5.New()
	io.Copy(sum, r.Body)
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sum.Sum(nil)))
}

// Mistag forwards a request, and returns a different ETag.
func Mistag(p *Proxy, w http.ResponseWriter, r *http.Request) {
	p.Forward.ServeHTTP(&answerer{ResponseWriter: w, head: func(h http.Header) {
		h.Set("ETag", `"00000000000000000000000000000000"`)
	}}, r)
}

// After returns that many bytes of an answer's body, and then calls the function.
func After(n int64, then func(p *Proxy, w http.ResponseWriter)) Fault {
	return func(p *Proxy, w http.ResponseWriter, r *http.Request) {
		left := n
		p.Forward.ServeHTTP(&answerer{ResponseWriter: w, body: func(b []byte) {
			m := min(left, int64(len(b)))
			w.Write(b[:m])
			if left -= m; m < int64(len(b)) {
				http.NewResponseController(w).Flush()
				then(p, w)
			}
		}}, r)
	}
}

// Ends closes the connection as if the answer were complete, breaks resets it, stops keeps it open.
func Ends(*Proxy, http.ResponseWriter) { panic(http.ErrAbortHandler) }

func Breaks(_ *Proxy, w http.ResponseWriter) {
	Cut(w)
	panic(http.ErrAbortHandler)
}

func Stops(p *Proxy, _ http.ResponseWriter) {
	<-p.Done
	panic(http.ErrAbortHandler)
}

// Spoil flips a bit of an answer's body.
func Spoil(at int64) Fault {
	return func(p *Proxy, w http.ResponseWriter, r *http.Request) {
		f := &flipped{at: at}
		p.Forward.ServeHTTP(&answerer{ResponseWriter: w, body: func(b []byte) {
			f.flip(b)
			w.Write(b)
		}}, r)
	}
}

// An answerer changes an answer.
type answerer struct {
	http.ResponseWriter
	head func(http.Header)
	body func([]byte)
}

func (a *answerer) WriteHeader(status int) {
	if a.head != nil {
		a.head(a.Header())
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answerer) Write(b []byte) (int, error) {
	if a.body == nil {
		return a.ResponseWriter.Write(b)
	}
	a.body(b)
	return len(b), nil
}
