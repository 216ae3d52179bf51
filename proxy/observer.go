package proxy

import "context"

// An Observer is told of every event of the protocols: what is worth logging, counting or showing. Observe is called from
// many goroutines at once, while a client waits, so it must return at once. SessionFrom(ctx) is the session of the event, which
// all events but AcceptFailed have. An event holds no password.
type Observer interface {
	Observe(ctx context.Context, e Event)
}

// An Event is one of the structs of package event. Kind returns its fixed name, which the log has as "event".
type Event interface{ Kind() string }
