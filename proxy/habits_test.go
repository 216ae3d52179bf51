package proxy

import (
	"context"
	"testing"
)

// TestCredentialsAreBytes: whatever the charset of names is, a user's name and a password are not translated.
func TestCredentialsAreBytes(t *testing.T) {
	inBubble(t, func(s *script) {
		var got Attempt
		s.srv.Login = func(_ context.Context, a Attempt) (Store, error) {
			got = a
			return s.store, nil
		}
		s.play(`
			! names latin1
			! backslash
			! login no
			S> 220 *
			C= "USER a\\\xe9\r\n"
			S> 331 *
			C= "PASS \\\xe9\r\n"
			S> 230 *`)
		if got.User != "a\\\xe9" || got.Password != "\\\xe9" {
			t.Errorf("%q and %q came", got.User, got.Password)
		}
	})
}
