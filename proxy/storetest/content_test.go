package storetest

import (
	"bytes"
	"io"
	"testing"
)

// If a content were the beginning of another one, tests could not detect a mixture of the two.
func TestNoContentIsThePrefixOfAnother(t *testing.T) {
	read := func(size int) []byte {
		text, err := io.ReadAll(content(size))
		if err != nil || len(text) != size {
			t.Fatalf("%d bytes, %v, want %d", len(text), err, size)
		}
		return text
	}
	const part = 5 << 20
	sizes := []int{100, 100 + 1<<16, 100 + 1<<20, part, part + 1, 2 * part, 3 * part}
	for i, shorter := range sizes {
		for _, longer := range sizes[i+1:] {
			if bytes.HasPrefix(read(longer), read(shorter)) {
				t.Errorf("the content of %d bytes is the prefix of that of %d", shorter, longer)
			}
		}
	}
}
