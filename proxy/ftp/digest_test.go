package ftp

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/ftp/names"
)

// A sumStore is a store whose sums a test makes.
type sumStore struct {
	*memStore
	sum func(context.Context, int64, int64) ([]byte, error)
}

func (s sumStore) Sum(ctx context.Context, _, _ string, offset, length int64) ([]byte, error) {
	return s.sum(ctx, offset, length)
}

// sums makes all sums with f.
func (s *script) sums(f func(ctx context.Context, offset, length int64) ([]byte, error)) {
	s.srv.Login = func(context.Context, proxy.Attempt) (proxy.Account, error) {
		return proxy.Account{Store: sumStore{s.store, f}}, nil
	}
}

// TestLostClientEndsSum: nobody waits for the checksum of a client that has gone.
func TestLostClientEndsSum(t *testing.T) {
	for _, command := range []string{"HASH a", "XMD5 a", "XMD5 a 1 2"} {
		inBubble(t, func(s *script) {
			var why error
			s.sums(func(ctx context.Context, _, _ int64) ([]byte, error) {
				<-ctx.Done()
				why = context.Cause(ctx)
				return nil, ctx.Err()
			})
			s.play("<= /a \"hello\"\nC> " + command)
			synctest.Wait()
			s.hangUp()
			synctest.Wait()
			if why != errControlLost {
				t.Errorf("%s: ended with %v, want %v", command, why, errControlLost)
			}
		})
	}
}

// TestChangingFile: a file that gets shorter while HASH looks at it has no checksum for the moment.
func TestChangingFile(t *testing.T) {
	inBubble(t, func(s *script) {
		s.sums(func(_ context.Context, offset, length int64) ([]byte, error) {
			if offset != 0 || length != 5 {
				t.Errorf("%d bytes from %d on", length, offset)
			}
			return nil, fmt.Errorf("4 bytes: %w", syscall.ESPIPE)
		})
		s.play("<= /a \"hello\"\nC> HASH a\nS> 450 File is changing, try again.\nC> RANG 0 4\nS> 350 *\nC> HASH a\nS> 554 *")
	})
}

// TestPanicInSum: it ends the session that asked, and no other.
func TestPanicInSum(t *testing.T) {
	inBubble(t, func(s *script) {
		s.sums(func(context.Context, int64, int64) ([]byte, error) { panic("a mistake in the store") })
		s.play("<= /a \"hello\"\n2\nC> NOOP\nS> 200 *\n1\nC> XCRC a\nS> 421 Internal error, *\nS.\n2\nC> NOOP\nS> 200 *")
	})
}

func TestReadings(t *testing.T) {
	for arg, want := range map[string]string{
		`a`:              `a 0 -1`,
		`a b`:            `a b 0 -1`,
		`a 1`:            `a 1 0 -1`,
		`a 1 2`:          `a 1 2 0 -1|a 1 2`,
		`a 0 1 2`:        `a 0 1 2 0 -1|a 0 1 2`,
		`1 2`:            `1 2 0 -1`,
		` 1 2`:           ` 1 2 0 -1`,
		`a 2 1`:          `a 2 1 0 -1|a 2 1 501`,
		`a 2 2`:          `a 2 2 0 -1|a 2 2 501`,
		`a +1 2`:         `a +1 2 0 -1`,
		`"a b"`:          `"a b" 0 -1|a b 0 -1`,
		`"a" 1 2`:        `"a" 1 2 0 -1|a 1 2`,
		`"a""b"`:         `"a""b" 0 -1|a"b 0 -1`,
		`"""a"""`:        `"""a""" 0 -1|"a" 0 -1`,
		`""`:             `"" 0 -1| 0 -1`,
		`"`:              `" 0 -1`,
		`"a`:             `"a 0 -1`,
		`"a"" 1 2`:       `"a"" 1 2 0 -1|"a"" 1 2`,
		`"a"x`:           `"a"x 0 -1|a 0 0 501`,
		`"a" 1  2`:       `"a" 1  2 0 -1|a 1 2`,
		`"a"  1 2 `:      `"a"  1 2  0 -1|a 1 2`,
		`"a" `:           `"a"  0 -1|a 0 -1`,
		`a 1  2 `:        `a 1  2  0 -1|a 1 2`,
		`a  1 2`:         `a  1 2 0 -1|a  1 2`,
		`a "b" 1 2`:      `a "b" 1 2 0 -1|a "b" 1 2`,
		`"a 1 2" 0 3`:    `"a 1 2" 0 3 0 -1|a 1 2 0 3`,
		"a\xff\x00 1 22": "a\xff\x00 1 22 0 -1|a\xff\x00 1 22",
	} {
		var got []string
		for _, r := range readings(arg, true) {
			text := fmt.Sprint(r.path, " ", r.start, " ", r.end)
			if r.err != nil {
				text += " 501"
			}
			got = append(got, text)
		}
		if text := strings.Join(got, "|"); text != want {
			t.Errorf("%q means %q, want %q", arg, text, want)
		}
	}
}

// FuzzReadings: a name comes back from its quotes, and the first reading is always the argument as it stands.
func FuzzReadings(f *testing.F) {
	for _, seed := range []string{"", "a", `"`, `a"b`, `"a" 1 2`, "a 1 2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		for _, ranges := range []bool{false, true} {
			if r := readings(name, ranges); r[0].path != name || r[0].octets != whole || r[0].err != nil || len(r) > 2 {
				t.Errorf("%q: %v", name, r)
			}
			if r := readings(names.Quote(name), ranges); len(r) != 2 || r[1].path != name || r[1].octets != whole || r[1].err != nil {
				t.Errorf("%q in quotes: %v", name, r)
			}
		}
		if r := readings(names.Quote(name)+" 3 7", true); len(r) != 2 || r[1].path != name || r[1].octets != (octets{3, 7}) || r[1].err != nil {
			t.Errorf("%q in quotes and with a range: %v", name, r)
		}
	})
}
