package s3demo

import (
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
		if err := save(dir, file, &record{Key: escaped(key), Versions: []*version{{Meta: map[string]escaped{"Other": escaped(other)}}}}); err != nil {
			t.Fatal(err)
		}
		got, err := load[record](file)
		if err != nil {
			t.Fatal(err)
		}
		if string(got.Key) != key || string(got.Versions[0].Meta["Other"]) != other {
			t.Fatalf("%q and %q come back as %q and %q", key, other, got.Key, got.Versions[0].Meta["Other"])
		}
	})
}
