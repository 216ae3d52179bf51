package proxy

import "context"

// An Observer receives the events of the protocols, to log, count or show them. Observe is called from many goroutines at
// once, and must return quickly, because a client waits meanwhile. SessionFrom(ctx) returns the session of the event; only
// AcceptFailed has none. Events contain no passwords.
type Observer interface {
	Observe(ctx context.Context, e Event)
}

// An Event is one of the structs of package event. Kind returns its fixed name, the value of the log key "event".
type Event interface{ Kind() string }
