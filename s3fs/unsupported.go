package s3fs

import (
	"context"
	"errors"
	"time"
)

// SetTime is errors.ErrUnsupported.
func (f *FS) SetTime(_ context.Context, name string, _ time.Time) error {
	return wrap("set the time of", name, errors.ErrUnsupported)
}

// Sum is errors.ErrUnsupported.
func (f *FS) Sum(_ context.Context, name, _ string, _, _ int64) ([]byte, error) {
	return nil, wrap("sum", name, errors.ErrUnsupported)
}
