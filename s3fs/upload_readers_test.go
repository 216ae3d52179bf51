package s3fs

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"
)

func zeros(n int) io.Reader { return bytes.NewReader(make([]byte, n)) }

// slow reads from r, at most a buffer at a time, each after a pause.
type slow struct {
	io.Reader
	pause time.Duration
}

func (s slow) Read(p []byte) (int, error) {
	<-time.After(s.pause)
	return s.Reader.Read(p)
}

type counter struct {
	io.Reader
	n *int64
}

func (c counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	*c.n += int64(n)
	return n, err
}

// letters returns a different content for each seed.
func letters(seed string, size int64) io.Reader {
	return io.LimitReader(rand.NewChaCha8(sha256.Sum256([]byte(seed))), size)
}

func hexOf(t *testing.T, r io.Reader) string {
	t.Helper()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// A gate is a reader that waits at the end of its content until it is given the error to return.
type gate struct {
	io.Reader
	there chan struct{} // closed when all has been read
	end   chan error
}

func newGate(r io.Reader) *gate {
	return &gate{r, make(chan struct{}), make(chan error, 1)}
}

func (g *gate) Read(p []byte) (int, error) {
	n, err := g.Reader.Read(p)
	if err == io.EOF {
		close(g.there)
		return n, <-g.end
	}
	return n, err
}
