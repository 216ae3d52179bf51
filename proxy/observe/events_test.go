package observe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
	"github.com/s3ftpd/s3ftpd/proxy/signed"
)

// A receiver is an http.RoundTripper that answers with a status, and notes what it has accepted.
type receiver struct {
	answer func(r *http.Request, e cloudEvent) (int, error) // nil = 204; called from one goroutine at a time
	slow   time.Duration                                    // before each answer

	mu       sync.Mutex
	accepted []cloudEvent
	attempts []time.Time
	reports  []proxy.Event
}

func (v *receiver) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var e cloudEvent
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, err
	}
	<-time.After(v.slow)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.attempts = append(v.attempts, time.Now())
	status := http.StatusNoContent
	if v.answer != nil {
		if status, err = v.answer(r, e); err != nil {
			return nil, err
		}
	}
	if status/100 == 2 {
		v.accepted = append(v.accepted, e)
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
}

// Observe implements proxy.Observer for the reports of the sender.
func (v *receiver) Observe(_ context.Context, e proxy.Event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.reports = append(v.reports, e)
}

// dropped returns how many events were reported as dropped, by reason.
func (v *receiver) dropped() map[string]int {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := make(map[string]int)
	for _, e := range v.reports {
		if d, ok := e.(event.EventsDropped); ok {
			n[d.Err.Error()] += d.Count
		}
	}
	return n
}

// keys returns the keys of the accepted events of a user, or of all if user is empty, in their order.
func (v *receiver) keys(user string) (keys []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, e := range v.accepted {
		if user == "" || e.Data.User == user {
			keys = append(keys, e.Data.Key)
		}
	}
	return keys
}

// sending runs test in a bubble, with a sender to v. It returns after the queue is drained.
func sending(t *testing.T, v *receiver, test func(t *testing.T, e *Events)) {
	synctest.Test(t, func(t *testing.T) {
		e := NewEvents(EventOptions{URL: "https://example.com/hook", Source: "//host/s3ftpd", Client: &http.Client{Transport: v}, Observer: v,
			Secret: func() ([]byte, error) { return []byte("canary"), nil }})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			e.Run(ctx)
			close(done)
		}()
		test(t, e)
		e.Drain()
		after := time.AfterFunc(time.Minute, cancel)
		<-done
		after.Stop()
		cancel()
	})
}

// as returns the context of a session of a user.
func as(t *testing.T, user string) context.Context {
	return proxy.WithSession(t.Context(), proxy.SessionInfo{ID: "0a1b", Protocol: "ftp", Client: netip.MustParseAddrPort("192.0.2.7:1025"), User: user})
}

// uploaded is a complete upload to a key.
func uploaded(key string) event.TransferEnd {
	return event.TransferEnd{Direction: proxy.Upload, Code: 226, Opened: true, Stored: proxy.Stored{Bucket: "invoices", Key: key}}
}

// eventTests are the events that are sent, with their type and the keys of their data besides those of the session.
var eventTests = []struct {
	event proxy.Event
	kind  string
	data  string
}{
	{event.TransferEnd{Direction: proxy.Upload, Command: "STOR", Name: "/a", Bytes: 5, Duration: 1500 * time.Millisecond, Code: 226, Opened: true,
		Stored: proxy.Stored{Bucket: "b", Key: "p/a", Size: 7, ETag: "e", OldETag: "o", Version: "v", Checksum: "CRC32C:x=="}}, "upload.completed",
		`"bucket":"b","key":"p/a","size":7,"etag":"e","old_etag":"o","version":"v","checksum":"CRC32C:x==","bytes":5,"seconds":1.5`},
	{event.TransferEnd{Direction: proxy.Upload, Duration: time.Second, Code: 426, Cause: event.CauseClient, Err: errCut, Opened: true,
		Stored: proxy.Stored{Bucket: "b", Key: "p/a"}}, "upload.broken", `"bucket":"b","key":"p/a","bytes":0,"seconds":1`},
	{event.TransferEnd{Direction: proxy.Download, Bytes: 0, Code: 226, Opened: true, Stored: proxy.Stored{Bucket: "b", Key: "<&>", ETag: "e"}},
		"download.completed", `"bucket":"b","key":"<&>","size":0,"etag":"e","bytes":0,"seconds":0`},
	{event.FileDelete{Name: "/a", Stored: proxy.Stored{Bucket: "b", Key: "p/a", OldETag: "o"}}, "file.deleted", `"bucket":"b","key":"p/a","old_etag":"o"`},
	{event.Rename{Name: "/a", To: "/b", Stored: proxy.Stored{Bucket: "b", Key: "p/b", From: "p/a", Size: 7, ETag: "e"}}, "file.renamed",
		`"bucket":"b","key":"p/b","from":"p/a","size":7,"etag":"e"`},
	{event.Rename{Name: "/a", To: "/b", Stored: proxy.Stored{Bucket: "b", Key: "p/b/", From: "p/a/"}}, "directory.renamed",
		`"bucket":"b","key":"p/b/","from":"p/a/"`},
	{event.Mkdir{Name: "/d", Stored: proxy.Stored{Bucket: "b", Key: "p/d/", ETag: "e"}}, "directory.created", `"bucket":"b","key":"p/d/","etag":"e"`},
	{event.Rmdir{Name: "/d", Stored: proxy.Stored{Bucket: "b", Key: "p/d/"}}, "directory.deleted", `"bucket":"b","key":"p/d/"`},
	{event.LoginOK{Method: proxy.ByPassword}, "login", `"method":"password"`},
	{event.LoginRefused{User: "alice", Method: proxy.ByPassword, Code: 530, Err: errCut}, "login.refused", `"method":"password"`},
}

func TestEventTypes(t *testing.T) {
	for _, c := range eventTests {
		e, _, ok := newCloudEvent("//host/s3ftpd", alice, c.event)
		body, err := e.encode()
		if !ok || err != nil {
			t.Fatal(c.kind, ok, err)
		}
		subject := ""
		if e.Data.Key != "" {
			subject = `,"subject":"` + e.Data.Key + `"`
		}
		method, rest := "", c.data
		if strings.HasPrefix(rest, `"method"`) {
			method, rest = ","+rest, ""
		} else {
			rest = "," + rest
		}
		want := fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"//host/s3ftpd","type":"com.s3ftpd.%s"%s,"time":%q,"datacontenttype":"application/json",`+
			`"data":{"user":"alice","session":"0a1b","protocol":"ftp","client":"192.0.2.7"%s%s}}`, e.ID, c.kind, subject, e.Time.Format(time.RFC3339Nano), method, rest)
		if string(body) != want || len(e.ID) < 20 {
			t.Errorf("got\n%s\nwant\n%s", body, want)
		}
	}
}

// docs/events.md has an example of each type, with exactly its keys.
func TestEventTypesAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := make(map[string][]string)
	row := regexp.MustCompile("(?m)^\\| `com\\.s3ftpd\\.([a-z.]+)` \\|.*\\| `(.*)` \\|$")
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		var data map[string]any
		if err := json.Unmarshal([]byte(m[2]), &data); err != nil {
			t.Errorf("%s: %v", m[1], err)
		}
		documented[m[1]] = slices.Sorted(maps.Keys(data))
	}
	for _, c := range eventTests {
		var data map[string]any
		if err := json.Unmarshal([]byte("{"+c.data+"}"), &data); err != nil {
			t.Fatal(err)
		}
		if want := slices.Sorted(maps.Keys(data)); !slices.Equal(documented[c.kind], want) {
			t.Errorf("docs/events.md has for %s the keys %q, want %q", c.kind, documented[c.kind], want)
		}
		delete(documented, c.kind)
	}
	if len(documented) > 0 {
		t.Errorf("docs/events.md has types that are not sent: %v", documented)
	}
}

func TestEventsThatAreNotSent(t *testing.T) {
	for _, c := range lineTests {
		sent := slices.ContainsFunc(eventTests, func(other struct {
			event proxy.Event
			kind  string
			data  string
		}) bool {
			return other.event.Kind() == c.event.Kind()
		})
		if _, _, ok := newCloudEvent("s", alice, c.event); ok && !sent {
			t.Errorf("%s is sent", c.event.Kind())
		}
	}
	for name, e := range map[string]proxy.Event{
		"a refused upload":               event.TransferEnd{Direction: proxy.Upload, Code: 550, Cause: event.CauseRequest},
		"a broken download":              event.TransferEnd{Direction: proxy.Download, Code: 426, Cause: event.CauseClient, Opened: true},
		"a listing":                      event.TransferEnd{Direction: proxy.Listing, Code: 226, Opened: true},
		"a directory that was not there": event.Rmdir{Name: "/d"},
	} {
		if _, _, ok := newCloudEvent("s", alice, e); ok {
			t.Errorf("%s is sent", name)
		}
	}
}

// A refused login can have any text as its user.
func TestEventOfLongName(t *testing.T) {
	e, _, _ := newCloudEvent("s", proxy.SessionInfo{}, event.LoginRefused{User: strings.Repeat("x", 127) + "ü" + strings.Repeat("y", 5000)})
	if body, err := e.encode(); err != nil || len(body) > 500 || !strings.HasSuffix(e.Data.User, "x\uFFFD") {
		t.Errorf("%s, %v", body, err)
	}
}

// Requests are signed at each attempt. The secret and the URL are in no report.
func TestEventsAreSigned(t *testing.T) {
	v := &receiver{}
	times := make(map[string]bool)
	v.answer = func(r *http.Request, e cloudEvent) (int, error) {
		body, err := r.GetBody()
		if err != nil {
			t.Error(err)
		}
		text, _ := io.ReadAll(body)
		if got, want := r.Header.Get(signed.Header), signed.Value([]byte("canary"), time.Now(), text); got != want {
			t.Errorf("signature %s, want %s", got, want)
		}
		times[r.Header.Get(signed.Header)] = true
		if r.Method != "POST" || r.Header.Get("Content-Type") != "application/cloudevents+json; charset=utf-8" {
			t.Errorf("%s, %s", r.Method, r.Header)
		}
		if len(times) <= 4 {
			return 0, errors.New("cut")
		}
		return 200, nil
	}
	sending(t, v, func(t *testing.T, e *Events) {
		e.Observe(as(t, "alice"), uploaded("a"))
		<-time.After(time.Minute)
	})
	if len(times) != 5 || len(v.accepted) != 1 {
		t.Errorf("%d signatures, %d events", len(times), len(v.accepted))
	}
	delayed, ok := v.reports[0].(event.EventsDelayed)
	if text := fmt.Sprint(v.reports); !ok || delayed.Waiting != 1 || strings.Contains(text, "canary") || strings.Contains(text, "example.com") {
		t.Errorf("reports: %s", text)
	}
}

// An event is sent again unless the receiver accepts or refuses it.
func TestEventsAreSentAgain(t *testing.T) {
	for status, again := range map[int]bool{
		200: false, 202: false, 204: false, 301: true, 307: true, 400: false, 401: true, 403: true, 404: true, 408: true, 410: true,
		413: false, 415: false, 422: false, 429: true, 500: true, 503: true, 0: true,
	} {
		v := &receiver{}
		v.answer = func(r *http.Request, e cloudEvent) (int, error) {
			if len(v.attempts) > 1 && e.Data.Key == "a" || e.Data.Key == "b" {
				return 200, nil
			}
			if status == 0 { // hangs
				<-r.Context().Done()
				return 0, r.Context().Err()
			}
			return status, nil
		}
		sending(t, v, func(t *testing.T, e *Events) {
			e.Observe(as(t, "alice"), uploaded("a"))
			e.Observe(as(t, "alice"), uploaded("b"))
			<-time.After(time.Minute)
		})
		accepted := again || status/100 == 2
		if want := map[bool]string{true: "a b", false: "b"}[accepted]; strings.Join(v.keys(""), " ") != want || (len(v.attempts) == 3) != again {
			t.Errorf("%d: %d attempts, accepted %q", status, len(v.attempts), v.keys(""))
		}
		if got := v.dropped(); (len(got) == 1) == accepted {
			t.Errorf("%d: dropped %v", status, got)
		}
	}
}

// A receiver that is down for a minute loses none of 1,000 events. Those of a user stay in order.
func TestEventsOutlastAMinute(t *testing.T) {
	v := &receiver{}
	sending(t, v, func(t *testing.T, e *Events) {
		up := time.Now().Add(time.Minute)
		v.answer = func(*http.Request, cloudEvent) (int, error) {
			if time.Now().Before(up) {
				return 0, errors.New("connection refused")
			}
			return 204, nil
		}
		for i := range 1000 {
			e.Observe(as(t, fmt.Sprint("user", i%10)), uploaded(fmt.Sprintf("%03d", i)))
		}
		<-time.After(2 * time.Minute)
		synctest.Wait()
		for i := range 10 {
			if keys := v.keys(fmt.Sprint("user", i)); len(keys) != 100 || !slices.IsSorted(keys) {
				t.Errorf("user%d: %d events, %q", i, len(keys), keys)
			}
		}
		if n := len(v.attempts); n > 1000+10*7 {
			t.Errorf("%d attempts", n)
		}
	})
	if got := v.dropped(); len(got) > 0 {
		t.Errorf("dropped %v", got)
	}
}

// The events of a user stay in order while many attempts fail.
func TestEventsStayInOrder(t *testing.T) {
	v := &receiver{}
	random := rand.New(rand.NewPCG(1, 2))
	v.answer = func(*http.Request, cloudEvent) (int, error) { return []int{204, 503}[random.IntN(2)], nil }
	sending(t, v, func(t *testing.T, e *Events) {
		for i := range 400 {
			var made proxy.Event = uploaded(fmt.Sprintf("%03d", i))
			if i%2 == 1 { // of the other queue
				made = event.TransferEnd{Direction: proxy.Download, Stored: proxy.Stored{Key: fmt.Sprintf("%03d", i)}}
			}
			e.Observe(as(t, fmt.Sprint("user", i%4/2)), made)
		}
		<-time.After(time.Hour)
	})
	for _, user := range []string{"user0", "user1"} {
		if keys := v.keys(user); len(keys) != 200 || !slices.IsSorted(keys) {
			t.Errorf("%s: %d events, %q", user, len(keys), keys)
		}
	}
}

// The delays between attempts grow from 1 to 30 s, and after 15 minutes an event is dropped.
func TestEventsExpire(t *testing.T) {
	v := &receiver{answer: func(*http.Request, cloudEvent) (int, error) { return 500, nil }}
	sending(t, v, func(t *testing.T, e *Events) {
		e.Observe(as(t, "alice"), uploaded("a"))
		<-time.After(16 * time.Minute)
		synctest.Wait()
		for i, want := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
			if got := v.attempts[i+1].Sub(v.attempts[i]); got != want*time.Second {
				t.Errorf("delay %d is %v, want %v s", i+1, got, int(want))
			}
		}
		if got := v.attempts[len(v.attempts)-1].Sub(v.attempts[0]); got < 15*time.Minute || got > 15*time.Minute+30*time.Second {
			t.Errorf("the last attempt is after %v", got)
		}
	})
	if got := v.dropped(); !maps.Equal(got, map[string]int{errExpired.Error(): 1}) {
		t.Errorf("dropped %v", got)
	}
}

// A full queue drops its oldest events, counts them, and reports that at most once a minute. Observe never waits.
func TestEventsOfAFullQueue(t *testing.T) {
	v := &receiver{}
	down := true
	v.answer = func(*http.Request, cloudEvent) (int, error) { return map[bool]int{true: 503, false: 204}[down], nil }
	sending(t, v, func(t *testing.T, e *Events) {
		begun := time.Now()
		for i := range maxQueued + 500 {
			e.Observe(as(t, "alice"), uploaded(fmt.Sprintf("%05d", i)))
		}
		if d := time.Since(begun); d > 0 {
			t.Errorf("Observe took %v", d)
		}
		if n := e.queue.waiting(); n != maxQueued {
			t.Errorf("%d events are queued", n)
		}
		<-time.After(10 * time.Minute)
		v.mu.Lock()
		down = false
		v.mu.Unlock()
		<-time.After(time.Minute)
	})
	keys := v.keys("alice")
	if len(keys) != maxQueued || !slices.IsSorted(keys) || keys[1] != "00501" {
		t.Errorf("%d events, from %q", len(keys), keys[:2])
	}
	if got := v.dropped(); !maps.Equal(got, map[string]int{errQueueFull.Error(): 500}) {
		t.Errorf("dropped %v", got)
	}
	if n := len(v.reports); n > 13 {
		t.Errorf("%d reports in 11 minutes", n)
	}
}

// Refused logins from everywhere neither push out nor delay the event of an upload.
func TestEventsOfRefusedLogins(t *testing.T) {
	v := &receiver{}
	up := false
	v.answer = func(*http.Request, cloudEvent) (int, error) { return map[bool]int{true: 204, false: 503}[up], nil }
	sending(t, v, func(t *testing.T, e *Events) {
		refuse := func(n int) {
			from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 1)
			e.Observe(proxy.WithSession(t.Context(), proxy.SessionInfo{Client: from}), event.LoginRefused{User: "alice"})
		}
		for minute := range 3 {
			for n := range 12_000 {
				refuse(minute*12_000 + n)
			}
			for i := range 100 {
				e.Observe(as(t, "alice"), uploaded(fmt.Sprint(minute, i)))
			}
			<-time.After(time.Minute)
		}
		v.mu.Lock()
		up = true
		v.mu.Unlock()
		<-time.After(time.Minute)
	})
	changes, refused := 0, 0
	for _, e := range v.accepted {
		if e.Type == "com.s3ftpd.login.refused" {
			refused++
		} else {
			changes++
		}
	}
	if changes != 300 || refused != maxQueued {
		t.Errorf("%d uploads, %d refused logins", changes, refused)
	}
}

// Refused logins with the name of a user do not delay the events of that user. Those of one address count once.
func TestEventsOfRefusedLoginsOfAUser(t *testing.T) {
	v := &receiver{slow: time.Second}
	sending(t, v, func(t *testing.T, e *Events) {
		for n := range 100 {
			from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(n / 2)}), uint16(n))
			e.Observe(proxy.WithSession(t.Context(), proxy.SessionInfo{Client: from, User: ""}), event.LoginRefused{User: "alice"})
		}
		e.Observe(as(t, "alice"), uploaded("a"))
		<-time.After(2 * time.Minute)
	})
	at := slices.IndexFunc(v.accepted, func(e cloudEvent) bool { return e.Data.Key == "a" })
	if len(v.accepted) != 51 || at < 0 || at > 2 {
		t.Errorf("%d events, that of the upload is number %d", len(v.accepted), at)
	}
}

// The event of a refused login is sent at most once a minute and address, or IPv6 /64.
func TestRefusalsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r refusals
		count := func(addresses ...string) (n int) {
			for _, a := range addresses {
				if r.allow(netip.MustParseAddr(a)) {
					n++
				}
			}
			return n
		}
		if n := count("192.0.2.1", "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"); n != 3 {
			t.Errorf("%d events of three addresses", n)
		}
		<-time.After(59 * time.Second)
		if n := count("192.0.2.1"); n != 0 {
			t.Error("a second event within the minute")
		}
		<-time.After(time.Second)
		if n := count("192.0.2.1", "192.0.2.1"); n != 1 {
			t.Errorf("%d events in the next minute", n)
		}
		for i := range 2 * maxRefusals {
			r.allow(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
		}
		if len(r.last) > maxRefusals {
			t.Errorf("%d addresses are remembered", len(r.last))
		}
	})
}

// At the end, attempts that wait are made at once.
func TestEventsDrain(t *testing.T) {
	v := &receiver{answer: func(*http.Request, cloudEvent) (int, error) { return 503, nil }}
	var begun time.Time
	sending(t, v, func(t *testing.T, e *Events) {
		for i := range 100 {
			e.Observe(as(t, fmt.Sprint("user", i)), uploaded(fmt.Sprint(i)))
		}
		<-time.After(2 * time.Minute) // the next attempts are up to 30 s away
		v.mu.Lock()
		v.answer = nil
		v.mu.Unlock()
		begun = time.Now()
	})
	if n := len(v.accepted); n != 100 || v.attempts[len(v.attempts)-1].After(begun) {
		t.Errorf("%d events, the last after %v", n, v.attempts[len(v.attempts)-1].Sub(begun))
	}
	if got := v.dropped(); len(got) > 0 {
		t.Errorf("dropped %v", got)
	}
}

// What cannot be sent before the end is counted. A receiver that hangs does not hold up the end.
func TestEventsEnd(t *testing.T) {
	v := &receiver{}
	v.answer = func(r *http.Request, _ cloudEvent) (int, error) { return 503, nil }
	sending(t, v, func(t *testing.T, e *Events) {
		for i := range 100 {
			e.Observe(as(t, fmt.Sprint("user", i%20)), uploaded(fmt.Sprint(i)))
		}
	})
	if got := v.dropped(); !maps.Equal(got, map[string]int{errStopped.Error(): 100}) {
		t.Errorf("dropped %v", got)
	}
	hang := hanging{}
	synctest.Test(t, func(t *testing.T) {
		e := NewEvents(EventOptions{URL: "https://example.com/", Client: &http.Client{Transport: hang}})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		e.Observe(as(t, "alice"), uploaded("a"))
		begun := time.Now()
		e.Drain()
		e.Run(ctx)
		if d := time.Since(begun); d != 3*time.Second {
			t.Errorf("Run took %v", d)
		}
	})
}

// hanging never answers.
type hanging struct{}

func (hanging) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}
