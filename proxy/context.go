package proxy

import "context"

// sessionKey is the key of a SessionInfo in a context.
type sessionKey struct{}

// WithSession returns a context of something that is done for a session. Log lines and events that are given it carry the
// session, its client and its user.
func WithSession(ctx context.Context, info SessionInfo) context.Context {
	return context.WithValue(ctx, sessionKey{}, info)
}

// SessionFrom returns the session that something is done for; ok is false if there is none.
func SessionFrom(ctx context.Context) (info SessionInfo, ok bool) {
	info, ok = ctx.Value(sessionKey{}).(SessionInfo)
	return info, ok
}
