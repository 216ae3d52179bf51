package quirks

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
)

// fail answers with one of S3's errors.
func fail(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("X-Amz-Request-Id", "QUIRK")
	w.WriteHeader(status)
	fmt.Fprintf(w, "%s<Error><Code>%s</Code><Message>%s</Message></Error>", xml.Header, code, html.EscapeString(message))
}

// An answer is a recorded answer that can be changed before it is sent.
type answer struct {
	status int
	header http.Header
	body   string
}

// ok reports whether the request succeeded.
func (a *answer) ok() bool { return a.status < http.StatusMultipleChoices }

// record records the answer to a request.
func record(next handler, x *exchange) *answer {
	rec := httptest.NewRecorder()
	next(rec, x)
	return &answer{rec.Code, rec.Result().Header, rec.Body.String()}
}

// send sends the answer.
func (a *answer) send(w http.ResponseWriter, x *exchange) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	if x.Method != http.MethodHead && a.status != http.StatusNoContent {
		w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	w.WriteHeader(a.status)
	io.WriteString(w, a.body)
}

// change changes the answers to some requests. Answers to GetObject are not recorded and cannot be changed.
func change(about when, edit func(x *exchange, a *answer)) quirk {
	return func(next handler) handler {
		return func(w http.ResponseWriter, x *exchange) {
			if !about(x) || x.operation == "GetObject" {
				next(w, x)
				return
			}
			a := record(next, x)
			edit(x, a)
			a.send(w, x)
		}
	}
}

// changeHeader changes the headers of the answers to some requests.
func changeHeader(about when, edit func(x *exchange, status int, h http.Header)) quirk {
	return func(next handler) handler {
		return func(w http.ResponseWriter, x *exchange) {
			if !about(x) {
				next(w, x)
				return
			}
			changed := &headerWriter{ResponseWriter: w, edit: func(status int, h http.Header) { edit(x, status, h) }}
			next(changed, x)
			changed.Write(nil) // in case of no body
		}
	}
}

// A headerWriter changes the headers as they are written.
type headerWriter struct {
	http.ResponseWriter
	edit  func(status int, h http.Header)
	begun bool
}

// WriteHeader implements http.ResponseWriter.
func (w *headerWriter) WriteHeader(status int) {
	if !w.begun {
		w.begun = true
		w.edit(status, w.Header())
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *headerWriter) Write(b []byte) (int, error) {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(b)
}

// body returns the body of a request, which can be read again.
func (x *exchange) body() string {
	text, _ := io.ReadAll(x.Body)
	x.setBody(string(text))
	return string(text)
}

// setBody replaces the body of a request.
func (x *exchange) setBody(text string) {
	x.Body = io.NopCloser(bytes.NewReader([]byte(text)))
	x.ContentLength = int64(len(text))
	x.Header.Set("Content-Length", strconv.Itoa(len(text)))
	for _, name := range []string{"Content-Md5", "X-Amz-Sdk-Checksum-Algorithm", "X-Amz-Trailer"} {
		x.Header.Del(name)
	}
	if x.operation == "DeleteObjects" { // which needs a digest of its body
		maps.DeleteFunc(x.Header, func(name string, _ []string) bool { return strings.HasPrefix(name, "X-Amz-Checksum-") })
		sum := md5.Sum([]byte(text))
		x.Header.Set("Content-Md5", base64.StdEncoding.EncodeToString(sum[:]))
	}
	x.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
}

// elements returns the contents of the XML elements of that name, which must not be nested.
func elements(text, name string) []string {
	var all []string
	for _, m := range element(name).FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	return all
}

// value returns the content of the first element of that name.
func value(text, name string) string {
	if all := elements(text, name); len(all) > 0 {
		return html.UnescapeString(all[0])
	}
	return ""
}

// replace replaces the contents of the elements of that name.
func replace(text, name string, with func(old string) string) string {
	return element(name).ReplaceAllStringFunc(text, func(whole string) string {
		open, rest, _ := strings.Cut(whole, ">")
		return open + ">" + with(strings.TrimSuffix(rest, "</"+name+">")) + "</" + name + ">"
	})
}

// remove removes the elements of that name.
func remove(text, name string) string { return element(name).ReplaceAllString(text, "") }

func element(name string) *regexp.Regexp {
	return regexp.MustCompile(`(?s)<` + name + `(?: [^>]*)?>(.*?)</` + name + `>`)
}
