// Package quirks makes an S3 store behave like services that differ from it, for tests.
//
// A [Mode] is one difference. [Wrap] puts modes in front of a store, usually the embedded one. The store must accept unsigned
// requests with the bucket in the path. Modes refuse requests, remove headers and change answers, for any client.
//
// Modes are deterministic: the first try of a request is recognized by the attempt number that the AWS SDK sends.
package quirks

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// The keys that sign requests.
const (
	AccessKey = "quirks"
	SecretKey = "quirks-secret"
)

// Domain is the host name of the service. A subdomain is the bucket, as in "bucket.s3.test".
const Domain = "s3.test"

// A Mode is a difference between a service and the embedded store.
type Mode struct {
	Name     string
	Does     string // description in one sentence
	Services string // known services with the difference, and the source
	Option   string // option of s3ftpd without which some commands fail; "" = none
	Kind     string // topic; "service" for a whole service
	Combined bool   // a service includes the mode

	quirks []quirk
}

// Modes returns all modes: the single ones, then the services that combine them.
func Modes() []Mode {
	return append(singleModes(), Services()...)
}

// singleModes returns the modes with one difference each.
func singleModes() (all []Mode) {
	for _, kind := range []struct {
		name  string
		modes []Mode
	}{
		{"condition", conditionModes}, {"checksum", checksumModes}, {"delete", deleteModes}, {"etag", etagModes}, {"error", errorModes},
		{"get", getModes}, {"copy", copyModes}, {"part", partModes}, {"complete", completeModes}, {"upload list", uploadListModes},
		{"list", listModes}, {"access", accessModes},
	} {
		for _, m := range kind.modes {
			m.Kind = kind.name
			m.Combined = slices.ContainsFunc(services, func(s service) bool { return slices.Contains(s.modes, m.Name) })
			all = append(all, m)
		}
	}
	return all
}

// Named returns the mode with that name, and panics if it does not exist.
func Named(name string) Mode {
	all := Modes()
	i := slices.IndexFunc(all, func(m Mode) bool { return m.Name == name })
	if i < 0 {
		panic("quirks: no mode " + name)
	}
	return all[i]
}

// Wrap returns a service with these modes in front of next, the first outermost. Each call has separate state.
func Wrap(next http.Handler, modes ...Mode) http.Handler {
	h := handler(func(w http.ResponseWriter, x *exchange) { next.ServeHTTP(w, x.Request) })
	for _, m := range slices.Backward(modes) {
		for _, q := range slices.Backward(m.quirks) {
			h = q(h)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !signed(r) {
			fail(w, http.StatusForbidden, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided.")
			return
		}
		h(w, newExchange(r))
	})
}

// A handler answers a request.
type handler func(w http.ResponseWriter, x *exchange)

// A quirk wraps a handler.
type quirk func(next handler) handler

// An exchange is a request with its operation, bucket and key.
type exchange struct {
	*http.Request
	operation string // S3's name
	key       string
	first     bool // the first try
	virtual   bool // the bucket was in the host
}

func newExchange(r *http.Request) *exchange {
	x := &exchange{Request: r}
	host, _, _ := strings.Cut(r.Host, ":")
	if bucket, ok := strings.CutSuffix(host, "."+Domain); ok {
		x.virtual = true
		x.Request = r.Clone(r.Context())
		x.URL.Path = "/" + bucket + r.URL.Path
		if r.URL.RawPath != "" {
			x.URL.RawPath = "/" + bucket + r.URL.RawPath
		}
		x.RequestURI = x.URL.RequestURI()
	}
	_, x.key, _ = strings.Cut(strings.TrimPrefix(x.URL.Path, "/"), "/")
	x.operation = real.Operation(x.Request)
	if x.URL.Query().Has("tagging") {
		x.operation = x.Method + "Tagging"
	}
	x.first = strings.HasPrefix(r.Header.Get("Amz-Sdk-Request"), "attempt=1;") || r.Header.Get("Amz-Sdk-Request") == "attempt=1"
	return x
}

// A when matches the requests of a quirk.
type when func(x *exchange) bool

// always matches every request.
func always(*exchange) bool { return true }

// on matches operations.
func on(operations ...string) when {
	return func(x *exchange) bool { return slices.Contains(operations, x.operation) }
}

// with matches requests with any of these headers. A name with a hyphen at the end is a prefix.
func with(headers ...string) when {
	return func(x *exchange) bool { return header(x, headers...) != "" }
}

// header returns the first of the headers that is in the request, as it was sent, or "".
func header(x *exchange, headers ...string) string {
	for _, name := range headers {
		for have := range x.Header {
			if have == name || strings.HasSuffix(name, "-") && strings.HasPrefix(have, name) {
				return strings.ToLower(have)
			}
		}
	}
	return ""
}

// and matches requests that both match.
func (w when) and(other when) when { return func(x *exchange) bool { return w(x) && other(x) } }

// firstTry matches the first try of each request.
func firstTry(x *exchange) bool { return x.first }

// refuse answers matching requests with an error, without forwarding them.
func refuse(about when, status int, code, message string) quirk {
	return func(next handler) handler {
		return func(w http.ResponseWriter, x *exchange) {
			if about(x) {
				fail(w, status, code, message)
				return
			}
			next(w, x)
		}
	}
}

// refuseHeader refuses requests with any of the headers. The name replaces %s in the message.
func refuseHeader(about when, status int, code, message string, headers ...string) quirk {
	return func(next handler) handler {
		return func(w http.ResponseWriter, x *exchange) {
			if name := header(x, headers...); name != "" && about(x) {
				fail(w, status, code, strings.ReplaceAll(message, "%s", name))
				return
			}
			next(w, x)
		}
	}
}

// ignore removes headers before the store gets the request.
func ignore(about when, headers ...string) quirk {
	return func(next handler) handler {
		return func(w http.ResponseWriter, x *exchange) {
			for name := header(x, headers...); name != "" && about(x); name = header(x, headers...) {
				x.Header.Del(name)
			}
			next(w, x)
		}
	}
}

// answerWith answers matching requests, without forwarding them.
func answerWith(about when, status int, contentType, body string) quirk {
	return func(next handler) handler {
		return func(w http.ResponseWriter, x *exchange) {
			if about(x) {
				if contentType != "" {
					w.Header().Set("Content-Type", contentType)
				}
				w.WriteHeader(status)
				fmt.Fprint(w, body)
				return
			}
			next(w, x)
		}
	}
}
