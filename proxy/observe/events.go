package observe

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
)

// A cloudEvent is an event as CloudEvents 1.0 has it, in structured mode.
type cloudEvent struct {
	SpecVersion     string    `json:"specversion"`
	ID              string    `json:"id"`
	Source          string    `json:"source"`
	Type            string    `json:"type"`
	Subject         string    `json:"subject,omitempty"` // the key
	Time            time.Time `json:"time"`
	DataContentType string    `json:"datacontenttype"`
	Data            eventData `json:"data"`
}

// eventData is the data of a cloudEvent. Empty fields are omitted, except numbers that belong to the type.
type eventData struct {
	User     string `json:"user,omitempty"`
	Session  string `json:"session,omitempty"`
	Protocol string `json:"protocol,omitempty"`
	Client   string `json:"client,omitempty"`
	Method   string `json:"method,omitempty"` // of a login

	Bucket   string   `json:"bucket,omitempty"`
	Key      string   `json:"key,omitempty"`
	From     string   `json:"from,omitempty"` // the old key of a rename
	Size     *int64   `json:"size,omitempty"` // of the object
	ETag     string   `json:"etag,omitempty"`
	OldETag  string   `json:"old_etag,omitempty"`
	Version  string   `json:"version,omitempty"`
	Checksum string   `json:"checksum,omitempty"`
	Bytes    *int64   `json:"bytes,omitempty"` // transferred
	Seconds  *float64 `json:"seconds,omitempty"`
}

// maxEventName is the maximal length of a user name in an event, in bytes: that of a refused login can be any text.
const maxEventName = 128

// typePrefix begins the types of all events.
const typePrefix = "com.s3ftpd."

// encode returns the JSON of a cloudEvent.
func (e cloudEvent) encode() ([]byte, error) {
	var b bytes.Buffer
	j := json.NewEncoder(&b)
	j.SetEscapeHTML(false)
	err := j.Encode(e)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// newCloudEvent returns the cloudEvent for an event of a session, and the queue that it belongs to. ok is false for events that are
// not sent.
func newCloudEvent(source string, s proxy.SessionInfo, e proxy.Event) (made cloudEvent, class eventClass, ok bool) {
	kind, class, data := dataOf(e)
	if kind == "" {
		return made, class, false
	}
	if data.User == "" {
		data.User = s.User
	}
	data.User = strings.ToValidUTF8(data.User[:min(len(data.User), maxEventName)], "\uFFFD")
	data.Session, data.Protocol = s.ID, s.Protocol
	if s.Client.IsValid() {
		data.Client = s.Client.Addr().Unmap().String()
	}
	return cloudEvent{SpecVersion: "1.0", ID: rand.Text(), Source: source, Type: typePrefix + kind, Subject: data.Key,
		Time: time.Now().UTC(), DataContentType: "application/json", Data: data}, class, true
}

// dataOf returns the type of an event without its prefix, "" for events that are not sent, and the data that no session has.
func dataOf(e proxy.Event) (kind string, class eventClass, data eventData) {
	switch e := e.(type) {
	case event.TransferEnd:
		return dataOfTransfer(e)
	case event.FileDelete:
		return "file.deleted", changes, dataOfStored(e.Stored)
	case event.Rename:
		return dataOfRename(e)
	case event.Mkdir:
		return "directory.created", changes, dataOfStored(e.Stored)
	case event.Rmdir:
		if e.Stored == (proxy.Stored{}) { // nothing was removed
			return "", changes, data
		}
		return "directory.deleted", changes, dataOfStored(e.Stored)
	case event.LoginOK:
		return "login", others, eventData{Method: string(e.Method)}
	case event.LoginRefused:
		return "login.refused", others, eventData{User: e.User, Method: string(e.Method)}
	}
	return "", changes, data
}

// dataOfTransfer is dataOf for a transfer.
func dataOfTransfer(e event.TransferEnd) (kind string, class eventClass, data eventData) {
	data, seconds := dataOfStored(e.Stored), e.Duration.Seconds()
	data.Bytes, data.Seconds = &e.Bytes, &seconds
	if e.Cause == event.CauseNone {
		data.Size = &e.Stored.Size
	}
	switch {
	case e.Direction == proxy.Upload && e.Cause == event.CauseNone:
		return "upload.completed", changes, data
	case e.Direction == proxy.Upload && e.Opened:
		return "upload.broken", changes, data
	case e.Direction == proxy.Download && e.Cause == event.CauseNone:
		return "download.completed", others, data
	}
	return "", changes, data
}

// dataOfRename is dataOf for a rename. The key of a directory ends with a slash.
func dataOfRename(e event.Rename) (kind string, class eventClass, data eventData) {
	data = dataOfStored(e.Stored)
	if strings.HasSuffix(e.Stored.Key, "/") {
		return "directory.renamed", changes, data
	}
	data.Size = &e.Stored.Size
	return "file.renamed", changes, data
}

func dataOfStored(s proxy.Stored) eventData {
	return eventData{Bucket: s.Bucket, Key: s.Key, From: s.From, ETag: s.ETag, OldETag: s.OldETag, Version: s.Version, Checksum: s.Checksum}
}

// refusals limits the events of refused logins to one a minute for each address, or IPv6 /64.
type refusals struct {
	mu   sync.Mutex
	last map[netip.Prefix]time.Time // at most maxRefusals
	next time.Time                  // when expired ones are removed, if there are too many
}

const (
	refusalEvery = time.Minute
	maxRefusals  = 10_000
)

// allow reports whether the event of a refused login from an address is sent.
func (r *refusals) allow(address netip.Addr) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now, of := time.Now(), proxy.LimitPrefix(address)
	if last, ok := r.last[of]; ok && now.Sub(last) < refusalEvery {
		return false
	}
	if len(r.last) >= maxRefusals && !now.Before(r.next) {
		r.next = now.Add(time.Second) // the loop is long
		for other, last := range r.last {
			if now.Sub(last) >= refusalEvery {
				delete(r.last, other)
			}
		}
	}
	if len(r.last) >= maxRefusals {
		return false // their events fill the queue already
	}
	if r.last == nil {
		r.last = make(map[netip.Prefix]time.Time)
	}
	r.last[of] = now
	return true
}

// Observe implements proxy.Observer. It queues the event, and never waits.
func (e *Events) Observe(ctx context.Context, observed proxy.Event) {
	session, _ := proxy.SessionFrom(ctx)
	lane := session.User
	if _, refused := observed.(event.LoginRefused); refused {
		if !e.refusals.allow(session.Client.Addr()) {
			return
		}
		lane = refusedLane
	}
	made, class, ok := newCloudEvent(e.Source, session, observed)
	if !ok {
		return
	}
	if body, err := made.encode(); err == nil { // it has only texts and finite numbers
		e.queue.add(lane, class, body)
	}
}

// refusedLane is the lane of refused logins: they must not delay the events of the user whose name they have.
const refusedLane = "\x00refused"
