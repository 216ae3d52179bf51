package s3fs

import (
	"io/fs"
	"path"
	"strings"
	"syscall"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// maxKey is S3's limit for a key, in bytes.
const maxKey = 1024

// file returns the key of a file: the prefix and the name, folded at the root.
func (f *FS) file(name string) (string, error) {
	key, err := f.key(name, "")
	if err == nil && key == f.prefix {
		return "", syscall.EISDIR
	}
	return key, err
}

// dir returns what the keys in a directory begin with: "" for the root of a whole bucket, else something that ends
// in a slash.
func (f *FS) dir(name string) (string, error) { return f.key(name, "/") }

// key leaves a directory's slash out of account: its marker is S3's to refuse.
func (f *FS) key(name, end string) (string, error) {
	rest := strings.TrimPrefix(path.Clean("/"+name), "/")
	if rest == "" {
		return f.prefix, nil
	}
	if !proxy.IsPrintable(rest) || len(f.prefix)+len(rest) > maxKey {
		return "", fs.ErrInvalid
	}
	return f.prefix + rest + end, nil
}
