package s3fs

import (
	"context"
	"errors"
)

// Sum is errors.ErrUnsupported.
func (f *FS) Sum(_ context.Context, name, _ string, _, _ int64) ([]byte, error) {
	return nil, wrap("sum", name, errors.ErrUnsupported)
}
