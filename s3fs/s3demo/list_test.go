package s3demo

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// pages reads a listing page by page, as a client does, and checks each page.
func pages(t testing.TB, keys []string, prefix, delimiter string, limit int) (got []string) {
	t.Helper()
	marker := ""
	for range len(keys) + 1 {
		p := list(keys, prefix, delimiter, marker, limit)
		entries := slices.Concat(p.keys, p.prefixes)
		slices.Sort(entries)
		if n := len(entries); n > limit && limit > 0 || p.more && n == 0 {
			t.Fatalf("a page of %d has %d entries, more: %t", limit, n, p.more)
		}
		if len(entries) > 0 && p.last != entries[len(entries)-1] {
			t.Fatalf("the page ends with %q and says %q", entries[len(entries)-1], p.last)
		}
		got = append(got, entries...)
		if !p.more {
			return got
		}
		marker = p.last
	}
	t.Fatalf("the listing of %q with %q in pages of %d does not end", prefix, delimiter, limit)
	return nil
}

// rolledUp is a simple implementation of list, for comparison.
func rolledUp(keys []string, prefix, delimiter string) (want []string) {
	for _, key := range keys {
		if !strings.HasPrefix(key, prefix) {
			continue
		}
		if before, _, ok := strings.Cut(key[len(prefix):], delimiter); ok && delimiter != "" {
			key = prefix + before + delimiter
		}
		if !slices.Contains(want, key) {
			want = append(want, key)
		}
	}
	slices.Sort(want)
	return want
}

func checkPages(t testing.TB, keys []string, prefix, delimiter string, limit int) {
	t.Helper()
	got, want := pages(t, keys, prefix, delimiter, limit), rolledUp(keys, prefix, delimiter)
	if !slices.Equal(got, want) {
		t.Fatalf("keys %q, prefix %q, delimiter %q, pages of %d:\n got %q\nwant %q", keys, prefix, delimiter, limit, got, want)
	}
}

func TestPagesAgreeWithTheWhole(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	word := func(most int) string {
		var b strings.Builder
		for range random.IntN(most + 1) {
			b.WriteByte("ab/-"[random.IntN(4)])
		}
		return b.String()
	}
	for range 5000 {
		var keys []string
		for range random.IntN(30) {
			keys = append(keys, "k"+word(6))
		}
		slices.Sort(keys)
		keys = slices.Compact(keys)
		delimiter := []string{"", "/", "-", "a/", "ab"}[random.IntN(5)]
		checkPages(t, keys, "k"[:random.IntN(2)]+word(3), delimiter, random.IntN(7))
	}
}

func FuzzPages(f *testing.F) {
	f.Add("a a/ a/b a/c b b/c", "a", "/", byte(2))
	f.Add("a// a//b a/b/ /", "", "//", byte(1))
	f.Fuzz(func(t *testing.T, words, prefix, delimiter string, limit byte) {
		keys := strings.Split(words, " ")
		slices.Sort(keys)
		keys = slices.DeleteFunc(slices.Compact(keys), func(s string) bool { return s == "" })
		checkPages(t, keys, prefix, delimiter, int(limit))
	})
}

func TestMarker(t *testing.T) {
	keys := []string{"a", "a/b", "a/c", "b", "c/d"}
	for _, c := range []struct{ prefix, delimiter, marker, want string }{
		{"", "", "", "a a/b a/c b c/d"},
		{"", "", "a", "a/b a/c b c/d"},
		{"", "", "a/bb", "a/c b c/d"},
		{"", "", "z", ""},
		{"b", "", "a", "b"},
		{"a/", "", "a/b", "a/c"},
		{"", "/", "a", "a/ b c/"},
		{"", "/", "a/", "b c/"},     // ends a page before
		{"", "/", "a/b", "a/ b c/"}, // a key: there is one more behind it
		{"", "/", "a/c", "b c/"},
	} {
		p := list(keys, c.prefix, c.delimiter, c.marker, 0)
		got := slices.Concat(p.keys, p.prefixes)
		slices.Sort(got)
		if strings.Join(got, " ") != c.want {
			t.Errorf("prefix %q, delimiter %q, after %q: %q, want %q", c.prefix, c.delimiter, c.marker, got, c.want)
		}
	}
}

func BenchmarkList(b *testing.B) {
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		var keys []string
		for i := range n {
			keys = append(keys, fmt.Sprintf("dir/%07d/file", i))
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				list(keys, "dir/", "/", keys[len(keys)/2], 1000)
			}
		})
	}
}
