package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/proxy/signed"
)

// A receivedEvent is an event as its receiver sees it.
type receivedEvent struct {
	Type, Subject string
	Data          map[string]any
	head          string // ETag of the object when the event arrived; "" = there is none
}

// An eventReceiver is a receiver of events that looks at each object in S3.
type eventReceiver struct {
	url     string
	arrived chan receivedEvent
}

// receiveEvents starts a receiver. It answers when open is closed.
func receiveEvents(t *testing.T, s keyService, open <-chan struct{}) *eventReceiver {
	t.Helper()
	client := s3.New(s3.Options{BaseEndpoint: &s.endpoint, Region: s.region, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(s.key, s.secret, "")})
	v := &eventReceiver{arrived: make(chan receivedEvent, 100)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-open:
		case <-r.Context().Done():
			return
		}
		body, err := io.ReadAll(r.Body)
		var e receivedEvent
		if err != nil || json.Unmarshal(body, &e) != nil {
			t.Errorf("%s, %v", body, err)
		}
		if bucket, ok := e.Data["bucket"].(string); ok {
			if is, err := client.HeadObject(r.Context(), &s3.HeadObjectInput{Bucket: &bucket, Key: aws.String(e.Subject)}); err == nil {
				e.head = strings.Trim(aws.ToString(is.ETag), `"`)
			}
		}
		v.arrived <- e
	}))
	t.Cleanup(server.Close)
	v.url = server.URL
	return v
}

// await returns the next n events.
func (v *eventReceiver) await(t *testing.T, n int) (list []receivedEvent) {
	t.Helper()
	for range n {
		select {
		case e := <-v.arrived:
			list = append(list, e)
		case <-time.After(30 * time.Second):
			t.Fatalf("after 30 s only %d of %d events: %v", len(list), n, list)
		}
	}
	return list
}

// Each event arrives once and in its order, with the object in S3 as the event says. No reply waits for the receiver.
func TestEvents(t *testing.T) {
	for name, s := range keyServices(t) {
		t.Run(name, func(t *testing.T) {
			file := usersFileOf(t, "", "defaults: {bucket: invoices, prefix: \"{user}/\"}\nusers:\n  - {name: alice, password: $alice}\n", "alice")
			secret := filepath.Join(t.TempDir(), "secret")
			if err := os.WriteFile(secret, []byte("canary-event-secret\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			open := make(chan struct{})
			unlock := sync.OnceFunc(func() { close(open) })
			v := receiveEvents(t, s, open)
			t.Cleanup(unlock) // before the server is closed, which waits for its requests
			r, address := startUsers(t, s, file, "--event-url", v.url+"/?token=canary-token", "--event-url-secret-file", secret)

			keyLogin(t, address, "alice", "wrong", 530)
			c := keyLogin(t, address, "alice", "pw-alice", 230)
			expect(t, c, "MKD d", 257)
			exchange(t, c, "STOR d/a", "content")
			if got := exchange(t, c, "RETR d/a", ""); got != "content" {
				t.Errorf("got %q", got)
			}
			expect(t, c, "EPSV", 229)
			expect(t, c, "STOR "+strings.Repeat("x", 1100), 553) // refused before the data connection: no event
			data := passiveData(t, c)
			expect(t, c, "STOR d/a", 150)
			io.WriteString(data, "half")
			data.(*net.TCPConn).SetLinger(0)
			data.Close()
			c.ReadResponse(426)
			expect(t, c, "RNFR d", 350)
			expect(t, c, "RNTO e", 250)
			expect(t, c, "RNFR e/a", 350)
			expect(t, c, "RNTO b", 250)
			expect(t, c, "RMD e", 250)
			expect(t, c, "DELE b", 250)
			unlock()
			list := v.await(t, 10)
			i := slices.IndexFunc(list, func(e receivedEvent) bool { return e.Type == "com.s3ftpd.login.refused" })
			if i < 0 {
				t.Fatalf("no refused login in %v", list)
			}
			list = slices.Delete(list, i, i+1) // it is not in the order of the user's own events
			for i, want := range []receivedEvent{
				{Type: "login"}, {Type: "directory.created", Subject: "alice/d/"}, {Type: "upload.completed", Subject: "alice/d/a"},
				{Type: "download.completed", Subject: "alice/d/a"}, {Type: "upload.broken", Subject: "alice/d/a"},
				{Type: "directory.renamed", Subject: "alice/e/"}, {Type: "file.renamed", Subject: "alice/b"},
				{Type: "directory.deleted", Subject: "alice/e/"}, {Type: "file.deleted", Subject: "alice/b"},
			} {
				if got := list[i]; got.Type != "com.s3ftpd."+want.Type || got.Subject != want.Subject || got.Data["user"] != "alice" || got.Data["client"] != "127.0.0.1" {
					t.Errorf("event %d is %+v, want %s of %s", i, got, want.Type, want.Subject)
				}
			}

			exchange(t, c, "STOR now", "content")
			if e := v.await(t, 1)[0]; e.head == "" || e.head != e.Data["etag"] || e.Data["size"] != 7.0 {
				t.Errorf("%+v, when S3 had the ETag %q", e, e.head)
			}
			expect(t, c, "DELE now", 250)
			if e := v.await(t, 1)[0]; e.head != "" || e.Data["old_etag"] == nil {
				t.Errorf("%+v, when S3 had the ETag %q", e, e.head)
			}
			exchange(t, c, "STOR last", "content")
			r.end(t) // sends what is left
			if e := v.await(t, 1)[0]; e.Subject != "alice/last" || len(v.arrived) > 0 {
				t.Errorf("the last event is %+v, and %d more", e, len(v.arrived))
			}
			if text := r.stderr.String(); strings.Contains(text, "canary") || strings.Contains(text, "events dropped") {
				t.Errorf("the log has a secret, or a lost event:\n%s", text)
			}
		})
	}
}

// A receiver that never answers neither holds up the end of the program for longer than --drain-timeout, nor is its event forgotten.
func TestEventsOfReceiverThatHangs(t *testing.T) {
	s := embeddedKeys(t)
	file := usersFileOf(t, "", "defaults: {bucket: invoices}\nusers:\n  - {name: alice, password: $alice}\n", "alice")
	open := make(chan struct{})
	v := receiveEvents(t, s, open)
	t.Cleanup(func() { close(open) })
	r, address := startUsers(t, s, file, "--event-url", v.url, "--drain-timeout", "1s")
	exchange(t, keyLogin(t, address, "alice", "pw-alice", 230), "STOR a", "content")
	r.end(t)
	text := r.stderr.String()
	if !strings.Contains(text, `"event":"events.dropped","count":2,"err":"the server has stopped"`) ||
		!strings.Contains(text, `"msg":"events dropped since the start","count":2}`) || !strings.Contains(text, "events are not signed") {
		t.Errorf("the log is\n%s", text)
	}
}

// The header is that of the documentation.
func TestSignatureHeaderIsDocumented(t *testing.T) {
	if text := readPage(t, root+"/docs/events.md"); !strings.Contains(text, signed.Header) {
		t.Errorf("docs/events.md lacks %s", signed.Header)
	}
}

// check asks the receiver of events for its methods, and sends no event. It does not print the URL.
func TestCheckEvents(t *testing.T) {
	for answer, want := range map[int]string{
		204: "ok    the receiver of events answers (204 to OPTIONS)",
		405: "ok    the receiver of events answers (405 to OPTIONS)",
		501: "ok    the receiver of events answers (501 to OPTIONS)",
		401: "ok    the receiver of events answers (401 to OPTIONS)",
		404: "warn  the receiver of events answers 404 to OPTIONS\n      advice: check the path of --event-url",
		502: "warn  the receiver of events answers 502 to OPTIONS\n      advice: check whether it is up",
		308: "FAIL  the receiver of events redirects with 308, which is not followed\n      advice: set --event-url to",
		0:   "FAIL  the receiver of events cannot be asked: ",
	} {
		requests := make(chan *http.Request, 10)
		receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests <- r
			if answer == 0 {
				panic(http.ErrAbortHandler)
			}
			w.Header().Set("Location", "/canary")
			w.WriteHeader(answer)
		}))
		s3 := httptest.NewServer(embedded(t, "invoices"))
		_, text, _ := output(t, "", []string{"S3FTPD_PASSWORD=wonderland"}, "check", "--event-url", receiver.URL+"/?token=canary", "--user=alice",
			"--bucket=invoices", "--endpoint", s3.URL, "--region=us-east-1", "--ftp=127.0.0.1:0", "--passive-ports=1024-65535", "--active=false")
		if !strings.Contains(text, want) || strings.Contains(text, "canary") {
			t.Errorf("%d: want %q in\n%s", answer, want, text)
		}
		receiver.Close()
		s3.Close()
		close(requests)
		for r := range requests {
			if r.Method != http.MethodOptions || r.ContentLength > 0 {
				t.Errorf("%d: %s with %d bytes", answer, r.Method, r.ContentLength)
			}
		}
	}
}

// An upload that fails at its first byte has the bucket and the key in its event, and one that is refused before has no event.
func TestEventsOfRefusedUploads(t *testing.T) {
	s := embeddedKeys(t)
	file := usersFileOf(t, "", "defaults: {bucket: invoices, prefix: \"{user}/\"}\nusers:\n  - {name: alice, password: $alice, max-file-size: 3}\n", "alice")
	open := make(chan struct{})
	close(open)
	v := receiveEvents(t, s, open)
	_, address := startUsers(t, s, file, "--event-url", v.url)
	c := keyLogin(t, address, "alice", "pw-alice", 230)
	expect(t, c, "ALLO 4", 200)
	refuse(t, c, "STOR announced")
	exchange(t, c, "STOR full", "abc")
	refuseAtLimit(t, c, "APPE full", "d")
	refuseAtLimit(t, c, "STOR large", "abcd")
	for i, want := range []receivedEvent{{Type: "login"}, {Type: "upload.completed", Subject: "alice/full"},
		{Type: "upload.broken", Subject: "alice/full"}, {Type: "upload.broken", Subject: "alice/large"}} {
		got := v.await(t, 1)[0]
		if got.Type != "com.s3ftpd."+want.Type || got.Subject != want.Subject || i > 0 && got.Data["bucket"] != "invoices" {
			t.Errorf("event %d is %+v, want %s of %s", i, got, want.Type, want.Subject)
		}
	}
}
