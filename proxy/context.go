package proxy

import "context"

// sessionKey is the key of a SessionInfo in a context.
type sessionKey struct{}

// WithSession returns a context for work that is done for a session. Log lines and events that get this context carry
// the session, its client and its user.
func WithSession(ctx context.Context, info SessionInfo) context.Context {
	return context.WithValue(ctx, sessionKey{}, info)
}

// SessionFrom returns the session that ctx was made for by WithSession; ok is false if it has none.
func SessionFrom(ctx context.Context) (info SessionInfo, ok bool) {
	info, ok = ctx.Value(sessionKey{}).(SessionInfo)
	return info, ok
}
