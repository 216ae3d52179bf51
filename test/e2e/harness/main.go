package harness

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// Root is the root of the repository, as seen by the tests of a package below test/e2e.
const Root = "../../.."

var program string // the path of s3ftpd, set by Main

// Program returns the path of the s3ftpd under test. It must be called within a test, see [real.NoteSources].
func Program() string {
	if err := real.NoteSources(); err != nil {
		panic(err)
	}
	return program
}

// Main builds s3ftpd, runs the tests of a package, and exits.
func Main(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "s3ftpd-e2e-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "s3ftpd")
	if err := build(program); err != nil {
		fmt.Fprintln(os.Stderr, "building s3ftpd:", err)
		return 1
	}
	return m.Run()
}

// build builds s3ftpd as name. The result is cached between packages and runs: the go command links it again only
// when a source has changed. The copy under name stays the same when another run does so.
func build(name string) error {
	cached, err := cachedProgram()
	if err != nil {
		return err
	}
	unlock, err := lock(cached + ".lock")
	if err != nil {
		return err
	}
	defer unlock()
	cmd := exec.Command("go", "build", "-o", cached, "github.com/s3ftpd/s3ftpd/cmd/s3ftpd")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return err
	}
	if os.Link(cached, name) == nil {
		return nil
	}
	return copyProgram(cached, name) // to another file system
}

// cachedProgram returns the path of the cached s3ftpd, one for each checkout.
func cachedProgram() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	root, err := filepath.Abs(Root)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "s3ftpd", fmt.Sprintf("e2e-%x", sha256.Sum256([]byte(root)))[:12])
	return filepath.Join(dir, "s3ftpd"), os.MkdirAll(dir, 0o777)
}

func copyProgram(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o777)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if closed := out.Close(); err == nil {
		err = closed
	}
	return err
}
