package proxy

import (
	"context"
	"iter"
)

// Buckets is the service that holds the bucket of a [Store], for an account whose root is the list of its buckets.
type Buckets interface {
	// List yields the buckets that the account may see, as directories sorted by name. An error is the last value that
	// it yields.
	List(ctx context.Context) iter.Seq2[Entry, error]

	// Stat describes a bucket as a directory. The error is fs.ErrNotExist if it is missing, fs.ErrPermission if the account
	// may not see whether it exists.
	Stat(ctx context.Context, bucket string) (Entry, error)

	// Make creates a bucket. The error is fs.ErrExist if it exists, fs.ErrInvalid if the service refuses the name.
	Make(ctx context.Context, bucket string) error

	// Remove deletes an empty bucket. The error is syscall.ENOTEMPTY if it has objects, fs.ErrNotExist if it is missing.
	Remove(ctx context.Context, bucket string) error

	// Open returns the store of a bucket. It sends no request: if the bucket does not exist, the store's first use fails.
	Open(bucket string) Store
}
