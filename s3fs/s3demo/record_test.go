package s3demo

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

func FuzzKeyToFile(f *testing.F) {
	for _, key := range []string{"a", "a/b", "x//y", "../x", "a\x00b", "\xff\xfe", "%2F", "%zz", "é", strings.Repeat("k", 1024)} {
		f.Add(key, "a")
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, key, other string) {
		name := recordName(key)
		if !filepath.IsLocal(name) || strings.ContainsAny(name, `/\:`) || len(name) > 255 {
			t.Fatalf("%q is kept in a file named %q", key, name)
		}
		if (name == recordName(other)) != (key == other) {
			t.Fatalf("%q and %q go to %q and %q", key, other, name, recordName(other))
		}
		file := filepath.Join(dir, name)
		if err := save(dir, file, &record{Key: escaped(key), Meta: map[string]escaped{"Other": escaped(other)}}); err != nil {
			t.Fatal(err)
		}
		got, err := load[record](file)
		if err != nil {
			t.Fatal(err)
		}
		if string(got.Key) != key || string(got.Meta["Other"]) != other {
			t.Fatalf("%q and %q come back as %q and %q", key, other, got.Key, got.Meta["Other"])
		}
	})
}

func TestETagThereAndBack(t *testing.T) {
	sum := strings.Repeat("0a", 16)
	for _, etag := range []string{sum, sum + "-1", sum + "-255", sum + "-256", sum + "-10000"} {
		library := libraryETag(etag)
		if strings.Contains(library, "-") || trueETag(library) != etag {
			t.Errorf("%s becomes %s and then %s", etag, library, trueETag(library))
		}
	}
	if got, want := libraryETags(`"`+sum+`-2", *,other`), `"`+sum+`0002", *,"other"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// The library compares with the source before the backend looks at it again, so no request can show this.
func TestSourceThatChangesInBetween(t *testing.T) {
	sum := strings.Repeat("0a", 16)
	for list, agree := range map[string]bool{"*": true, sum + "-2": true, "x, " + sum + "-2": true, sum: false, sum + "-3": false} {
		c := conditions{http.Header{"X-Amz-Copy-Source-If-Match": {libraryETags(list)}}}
		if got := c.source(sum+"-2") == nil; got != agree {
			t.Errorf("If-Match: %s: %t", list, got)
		}
	}
}
