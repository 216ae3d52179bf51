package proxy

import (
	"context"
	"iter"
)

// Buckets is the service that a [Store] lies in, for an account whose root is the list of its buckets.
type Buckets interface {
	// List yields the buckets that the account may see, as directories in the order of their names. After an error
	// nothing more is yielded.
	List(ctx context.Context) iter.Seq2[Entry, error]

	// Make makes a bucket. One that exists is fs.ErrExist, a name that the service refuses fs.ErrInvalid.
	Make(ctx context.Context, bucket string) error

	// Remove removes an empty bucket. One that holds anything is syscall.ENOTEMPTY, a missing one fs.ErrNotExist.
	Remove(ctx context.Context, bucket string) error

	// Open returns the store of a bucket. It makes no request: a bucket that does not exist is the error of the first use.
	Open(bucket string) Store
}
