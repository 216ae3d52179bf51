package auth

import (
	"context"
	"errors"
	"fmt"
)

// A HashLimiter limits how many passwords are hashed at the same time. All authenticators of a process share one, because
// they share its cores and its memory.
type HashLimiter struct {
	running chan struct{} // an element for each password that is being hashed
}

// NewHashLimiter returns a limiter for that many passwords at a time.
func NewHashLimiter(passwords int) *HashLimiter { return &HashLimiter{make(chan struct{}, passwords)} }

// errNoLimiter is a mistake of the calling program. Hashing without a limit could exhaust memory.
var errNoLimiter = errors.New("auth: the Authenticator has no Limiter")

// hash calls f once fewer passwords than the limit are being hashed, unless ctx ends first.
func (l *HashLimiter) hash(ctx context.Context, f func() bool) (bool, error) {
	if l == nil {
		return false, errNoLimiter
	}
	if err := ctx.Err(); err != nil {
		return false, fmt.Errorf("waiting to hash a password: %w", err)
	}
	select {
	case l.running <- struct{}{}:
		defer func() { <-l.running }()
		if err := ctx.Err(); err != nil { // both cases were ready, and select picked this one
			return false, fmt.Errorf("waiting to hash a password: %w", err)
		}
		return f(), nil
	case <-ctx.Done():
		return false, fmt.Errorf("waiting to hash a password: %w", ctx.Err())
	}
}
