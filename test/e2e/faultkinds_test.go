package e2e

import (
	"crypto/md5"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"
)

// requestID is what the answers that a faultProxy makes up call their request.
const requestID = "FAULT0123456789"

// late passes a request on after a while.
func late(d time.Duration) fault {
	return func(p *faultProxy, w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(d):
		case <-p.done:
		}
		p.forward.ServeHTTP(w, r)
	}
}

// resetAfter resets the connection when so many bytes of a request's content have come.
func resetAfter(n int64) fault {
	return func(_ *faultProxy, w http.ResponseWriter, r *http.Request) {
		io.CopyN(io.Discard, r.Body, n)
		cut(w)
	}
}

// reset resets the connection instead of passing the request on.
func reset(_ *faultProxy, w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	cut(w)
}

// lost passes a request on, and resets the connection instead of passing the answer back.
func lost(p *faultProxy, w http.ResponseWriter, r *http.Request) {
	p.forward.ServeHTTP(httptest.NewRecorder(), r)
	cut(w)
}

// stall takes so many bytes of a request's content, and then nothing more.
func stall(n int64) fault {
	return func(p *faultProxy, _ http.ResponseWriter, r *http.Request) {
		io.CopyN(io.Discard, r.Body, n)
		<-p.done
		panic(http.ErrAbortHandler)
	}
}

// refuse answers with an error.
func refuse(status int, code string) fault {
	return func(_ *faultProxy, w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		answer(w, status, code)
	}
}

func answer(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("X-Amz-Request-Id", requestID)
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>a secret of S3's</Message><RequestId>%s</RequestId></Error>`, code, requestID)
}

// failAfter passes a request on, and answers with an error nonetheless.
func failAfter(status int, code string) fault {
	return func(p *faultProxy, w http.ResponseWriter, r *http.Request) {
		p.forward.ServeHTTP(httptest.NewRecorder(), r)
		answer(w, status, code)
	}
}

// damage flips a bit of a request's content.
func damage(p *faultProxy, w http.ResponseWriter, r *http.Request) {
	r.Body = &flipped{ReadCloser: r.Body, at: r.ContentLength / 2}
	p.forward.ServeHTTP(w, r)
}

// flipped flips a bit of the byte at some place.
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

// swallow confirms a part that S3 never gets.
func swallow(_ *faultProxy, w http.ResponseWriter, r *http.Request) {
	sum := md5.New()
	io.Copy(sum, r.Body)
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sum.Sum(nil)))
}

// mistag passes a request on, and another ETag back.
func mistag(p *faultProxy, w http.ResponseWriter, r *http.Request) {
	p.forward.ServeHTTP(&answerer{ResponseWriter: w, head: func(h http.Header) {
		h.Set("ETag", `"00000000000000000000000000000000"`)
	}}, r)
}

// after passes so many bytes of an answer's content back, and then does something else.
func after(n int64, then func(p *faultProxy, w http.ResponseWriter)) fault {
	return func(p *faultProxy, w http.ResponseWriter, r *http.Request) {
		left := n
		p.forward.ServeHTTP(&answerer{ResponseWriter: w, body: func(b []byte) {
			m := min(left, int64(len(b)))
			w.Write(b[:m])
			if left -= m; m < int64(len(b)) {
				http.NewResponseController(w).Flush()
				then(p, w)
			}
		}}, r)
	}
}

// ends ends the connection as if the answer were over; breaks resets it; stops keeps it open.
func ends(*faultProxy, http.ResponseWriter) { panic(http.ErrAbortHandler) }

func breaks(_ *faultProxy, w http.ResponseWriter) {
	cut(w)
	panic(http.ErrAbortHandler)
}

func stops(p *faultProxy, _ http.ResponseWriter) {
	<-p.done
	panic(http.ErrAbortHandler)
}

// spoil flips a bit of an answer's content.
func spoil(at int64) fault {
	return func(p *faultProxy, w http.ResponseWriter, r *http.Request) {
		f := &flipped{at: at}
		p.forward.ServeHTTP(&answerer{ResponseWriter: w, body: func(b []byte) {
			f.flip(b)
			w.Write(b)
		}}, r)
	}
}

// An answerer changes an answer on its way.
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
