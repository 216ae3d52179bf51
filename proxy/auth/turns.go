package auth

import (
	"context"
	"errors"
	"fmt"
)

// Turns limit how many passwords are hashed at the same time. All gates of a process share one, since they share its
// cores and its memory.
type Turns struct{ free chan struct{} }

// NewTurns returns turns for that many passwords at a time.
func NewTurns(passwords int) *Turns { return &Turns{make(chan struct{}, passwords)} }

// errNoTurns is the fault of a program that makes a Gate without them: hashing without a limit would be worse.
var errNoTurns = errors.New("the gate has no turns to hash a password")

// hash calls f as soon as one more password may be hashed, unless ctx ends before.
func (t *Turns) hash(ctx context.Context, f func() bool) (bool, error) {
	if t == nil {
		return false, errNoTurns
	}
	if err := ctx.Err(); err != nil {
		return false, fmt.Errorf("waiting to hash a password: %w", err)
	}
	select {
	case t.free <- struct{}{}:
		defer func() { <-t.free }()
		if err := ctx.Err(); err != nil { // ended while it waited: select picks any case that is ready
			return false, fmt.Errorf("waiting to hash a password: %w", err)
		}
		return f(), nil
	case <-ctx.Done():
		return false, fmt.Errorf("waiting to hash a password: %w", ctx.Err())
	}
}
