package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// AtOnce runs the cases of a test concurrently, 20 at a time: for cases that mostly wait. The place is the case's name in a form that
// fits into a key.
func AtOnce[C any](t *testing.T, cases map[string]C, test func(t *testing.T, place string, c C)) {
	SomeAtOnce(t, 20, cases, test)
}

// SomeAtOnce is AtOnce with another limit: for cases that keep processors busy.
func SomeAtOnce[C any](t *testing.T, most int, cases map[string]C, test func(t *testing.T, place string, c C)) {
	slots := make(chan struct{}, most)
	var all sync.WaitGroup
	for name, c := range cases {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			t.Run(name, func(t *testing.T) { test(t, strings.NewReplacer(" ", "-", ",", "", "<", "", ">", "").Replace(name), c) })
		})
	}
	all.Wait()
}

// Alone runs t exclusively among the tests of all packages that call it, since `go test` runs several packages at a time. It is for
// tests that keep all processors busy, kill clients within a short grace, or measure time or memory.
func Alone(t testing.TB) {
	t.Helper()
	unlock, err := lock(filepath.Join(os.TempDir(), fmt.Sprintf("s3ftpd-e2e-alone-%d.lock", os.Getuid())))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(unlock)
}
