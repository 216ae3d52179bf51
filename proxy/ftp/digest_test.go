package ftp

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/names"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// A sumStore is a store with a Sum of the test.
type sumStore struct {
	*storetest.Memory
	sum func(context.Context, int64, int64) ([]byte, error)
}

func (s sumStore) Sum(ctx context.Context, _, _, _ string, offset, length int64) ([]byte, error) {
	return s.sum(ctx, offset, length)
}

// useSum makes the store use f for Sum.
func (s *script) useSum(f func(ctx context.Context, offset, length int64) ([]byte, error)) {
	s.srv.Login = func(context.Context, proxy.Attempt) (proxy.Account, error) {
		return proxy.Account{Store: sumStore{s.store, f}}, nil
	}
}

// When the control connection ends, a running checksum is cancelled.
func TestLostClientCancelsSum(t *testing.T) {
	for _, command := range []string{"HASH a", "XMD5 a", "XMD5 a 1 2"} {
		inBubble(t, func(s *script) {
			var cause error
			s.useSum(func(ctx context.Context, _, _ int64) ([]byte, error) {
				<-ctx.Done()
				cause = context.Cause(ctx)
				return nil, ctx.Err()
			})
			s.play("<= /a \"hello\"\nC> " + command)
			synctest.Wait()
			s.closeControl()
			synctest.Wait()
			if cause != errControlLost {
				t.Errorf("%s: the context ended with %v, want %v", command, cause, errControlLost)
			}
		})
	}
}

// A file that becomes shorter between Stat and Sum of HASH gets 450, as a retry will succeed.
func TestHashOfShrinkingFile(t *testing.T) {
	inBubble(t, func(s *script) {
		s.useSum(func(_ context.Context, offset, length int64) ([]byte, error) {
			if offset != 0 || length != 5 {
				t.Errorf("Sum of %d bytes from offset %d, want 5 from 0", length, offset)
			}
			return nil, fmt.Errorf("4 bytes: %w", syscall.ESPIPE)
		})
		s.play("<= /a \"hello\"\nC> HASH a\nS> 450 File is changing, try again.\nC> RANG 0 4\nS> 350 *\nC> HASH a\nS> 554 *")
	})
}

// A panic of the store ends the session that caused it, and no other.
func TestPanicEndsOneSession(t *testing.T) {
	inBubble(t, func(s *script) {
		s.useSum(func(context.Context, int64, int64) ([]byte, error) { panic("a bug in the store") })
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
		for _, r := range argForms(arg, true) {
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

// FuzzReadings checks that a quoted name is unquoted, and that the first reading is the whole argument as a name.
func FuzzReadings(f *testing.F) {
	for _, seed := range []string{"", "a", `"`, `a"b`, `"a" 1 2`, "a 1 2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		for _, ranges := range []bool{false, true} {
			if r := argForms(name, ranges); r[0].path != name || r[0].byteRange != wholeFile || r[0].err != nil || len(r) > 2 {
				t.Errorf("%q: %v", name, r)
			}
			if r := argForms(names.Quote(name), ranges); len(r) != 2 || r[1].path != name || r[1].byteRange != wholeFile || r[1].err != nil {
				t.Errorf("%q in quotes: %v", name, r)
			}
		}
		if r := argForms(names.Quote(name)+" 3 7", true); len(r) != 2 || r[1].path != name || r[1].byteRange != (byteRange{3, 7}) || r[1].err != nil {
			t.Errorf("%q in quotes and with a range: %v", name, r)
		}
	})
}
