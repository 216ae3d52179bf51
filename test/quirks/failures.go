package quirks

import (
	"net/http"
	"sync"
)

const page = "<!DOCTYPE html><html><head><title>Bad Gateway</title></head><body><h1>Bad Gateway</h1><br><hr>nginx</body></html>\n"

const slowDown = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>`

// everySecond refuses every other matching request for a key, beginning with the first.
func everySecond(about when, status int, code, message string) quirk {
	return func(next handler) handler {
		var mu sync.Mutex
		refused := make(map[string]bool)
		return func(w http.ResponseWriter, x *exchange) {
			if about(x) {
				mu.Lock()
				id := x.operation + " " + x.key
				refuse := !refused[id]
				refused[id] = refuse
				mu.Unlock()
				if refuse {
					fail(w, status, code, message)
					return
				}
			}
			next(w, x)
		}
	}
}

// lose forwards a request, and answers without its result.
func lose(about when, contentType, body string) quirk {
	return func(next handler) handler {
		return func(w http.ResponseWriter, x *exchange) {
			if !about(x) {
				next(w, x)
				return
			}
			if a := record(next, x); !a.ok() {
				a.send(w, x)
				return
			}
			answerWith(always, http.StatusOK, contentType, body)(next)(w, x)
		}
	}
}

// cut forwards a request, and closes the connection instead of answering.
func cut(about when) quirk {
	return func(next handler) handler {
		return func(w http.ResponseWriter, x *exchange) {
			if about(x) {
				record(next, x)
				panic(http.ErrAbortHandler)
			}
			next(w, x)
		}
	}
}

// changing are the operations that change the store.
var changing = on("PutObject", "CopyObject", "CreateMultipartUpload", "UploadPart", "UploadPartCopy", "CompleteMultipartUpload", "DeleteObject", "DeleteObjects", "AbortMultipartUpload")

var errorModes = []Mode{
	{Name: "html-502-first", Does: "Answers the first try of each request with 502 and a page of HTML.",
		Services: "all behind nginx", quirks: []quirk{answerWith(firstTry, 502, "text/html", page)}},
	{Name: "html-503-first", Does: "Answers the first try of each request with 503 and a page of HTML.",
		Services: "all behind a load balancer", quirks: []quirk{answerWith(firstTry, 503, "text/html", page)}},
	{Name: "429-first", Does: "Answers the first try of each request with 429 SlowDown.",
		Services: "Google Cloud Storage, Cloudflare R2, Scaleway", quirks: []quirk{answerWith(firstTry, 429, "application/xml", slowDown)}},
	{Name: "429-empty-first", Does: "Answers the first try of each request with 429 and no body.",
		Services: "all behind a gateway that limits rates", quirks: []quirk{answerWith(firstTry, 429, "", "")}},
	{Name: "503-slow-down-first", Does: "Answers the first try of each request with 503 SlowDown.",
		Services: "Amazon S3", quirks: []quirk{answerWith(firstTry, 503, "application/xml", slowDown)}},
	{Name: "503-empty-first", Does: "Answers the first try of each request with 503 and no body.",
		Services: "all behind a load balancer", quirks: []quirk{answerWith(firstTry, 503, "", "")}},
	{Name: "empty-200-first", Does: "Answers the first try of each request that changes something with an empty 200, and does not obey it.",
		Services: "proxies on the way", quirks: []quirk{answerWith(changing.and(firstTry), 200, "", "")}},
	{Name: "html-200-first", Does: "Answers the first try of each request that changes something with 200 and a page of HTML, and does not obey it.",
		Services: "proxies on the way", quirks: []quirk{answerWith(changing.and(firstTry), 200, "text/html", page)}},
	{Name: "html-200-read-first", Does: "Answers the first try of each request that reads with 200 and a page of HTML.",
		Services: "proxies on the way", quirks: []quirk{answerWith(on("GetObject", "HeadObject", "ListObjectsV2", "ListParts", "ListMultipartUploads").and(firstTry), 200, "text/html", page)}},
	{Name: "lost-answers", Does: "Obeys the first try of each request that changes something, and answers an empty 200.",
		Services: "proxies on the way", quirks: []quirk{lose(changing.and(firstTry), "", "")}},
	{Name: "cut-answers", Does: "Obeys the first try of each request that changes something, and ends the connection without an answer.",
		Services: "networks", quirks: []quirk{cut(changing.and(firstTry))}},
	{Name: "404-without-body", Does: "Answers with 404 and nothing else where something is missing.",
		Services: "several gateways", quirks: []quirk{change(not(on("GetObject")), emptyNotFound), getNotFound}},
}

func emptyNotFound(_ *exchange, a *answer) {
	if a.status == http.StatusNotFound {
		a.header, a.body = http.Header{}, ""
	}
}

// getNotFound removes the body of GetObject's answer for a missing key.
func getNotFound(next handler) handler {
	return func(w http.ResponseWriter, x *exchange) {
		if x.operation == "GetObject" && headStatus(next, x) == http.StatusNotFound {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		next(w, x)
	}
}
