package harness

import (
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// SumOf returns the SHA-256 of the bytes of r, in hexadecimal.
func SumOf(t testing.TB, r io.Reader) string {
	t.Helper()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// SumFile returns the SHA-256 of a file.
func SumFile(t testing.TB, name string) string {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return SumOf(t, f)
}

// MakeFile writes a file of Noise(name), with its directory, and returns the SHA-256.
func MakeFile(t testing.TB, name string, size int64) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(f, h), Noise(name), size); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// Noise returns an endless stream of pseudo-random bytes, the same for the same seed.
func Noise(seed string) io.Reader { return rand.NewChaCha8(sha256.Sum256([]byte(seed))) }

// Units of sizes.
const (
	KiB = int64(1) << 10
	MiB = int64(1) << 20
	GiB = int64(1) << 30
)

// OldContent is the content of an object that an upload replaces, or fails to replace.
const OldContent = "the old content stays"

// OddNames are names that need escaping in URLs, in headers or in command lines; the last has all of it.
var OddNames = []string{"with space", "plus+", "per%41cent", "ha#sh", "quest?ion", "amp&er", "semi;colon", "-dash", "[a-z]", "st*r",
	`quo"te`, "apo'strophe", "größe 日本", `-a +b%20"c'#?&;d`}

// TreeSums returns the SHA-256 of each file below dir, by its path relative to dir.
func TreeSums(t testing.TB, dir string) map[string]string {
	sums := make(map[string]string)
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			rel, _ := filepath.Rel(dir, name)
			sums[rel] = SumFile(t, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sums
}

// A Sample is a file that clients transfer.
type Sample struct {
	Name string
	Size int64
	Sum  string
}

// LogLines returns the text of a log of that many bytes, which compresses well. It is an io.Closer too.
func LogLines(size int64) io.Reader {
	r, w := io.Pipe()
	go func() {
		for i := 0; ; i++ {
			if _, err := fmt.Fprintf(w, "line %d: sensor %d reads %x\n", i, i%40, i*i%9973); err != nil {
				return
			}
		}
	}()
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(r, size), r}
}
