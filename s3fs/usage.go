package s3fs

import (
	"context"
	"strings"
)

// Usage lists all keys below a directory, 1,000 in a request. Markers of directories, older versions and uploads that can
// be resumed do not count.
func (f *FS) Usage(ctx context.Context, dir string) (bytes, files int64, err error) {
	key, err := f.dir(dir)
	if err != nil {
		return 0, 0, wrap("usage", dir, err)
	}
	for page, err := range f.pages(ctx, key, "") {
		if err != nil {
			return 0, 0, wrap("usage", dir, err)
		}
		for _, o := range page.objects {
			if !strings.HasSuffix(o.key, "/") {
				bytes += o.size
				files++
			}
		}
	}
	return bytes, files, nil
}
