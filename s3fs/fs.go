package s3fs

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/budget"
)

// Options configure an [FS].
type Options struct {
	Bucket string
	Prefix string         // of all keys; a slash is appended if it lacks one; slashes alone mean none
	Budget *budget.Budget // for the buffers of transfers; nil = 256 MiB for this FS alone
	User   string         // who has a share of Budget, see [budget.Budget.ShareOf]; "" = no particular user

	PartSize     int64 // bytes of an upload's first part; 0 = 8 MiB, at least 5 MiB, at most a quarter of the budget
	MaxParts     int   // highest part number that the service accepts; 0 = 10,000
	UniformParts bool  // all parts but the last must have the same size

	Attributes // of the objects that are written

	// Provenance adds metadata to the files and directory markers that are written: ftp-user, ftp-client, ftp-session and
	// ftp-time, of the session in the context. Renamed files and files with a new time keep theirs.
	Provenance bool

	// Resume is how long a broken upload can be resumed; 0 = 24 h, negative = off.
	Resume time.Duration

	// ListMtime selects the modification time in listings. "s3", the default, is LastModified. "metadata" is the time
	// of Stat and costs a HeadObject for each file that is not cached. "auto" is the time of Stat if the service lists
	// metadata, as MinIO does, and else LastModified.
	ListMtime string

	RenameMax int           // most objects in a directory that may be renamed; 0 = 10,000
	Stall     time.Duration // how long an upload waits for memory; 0 = 5 min
	Log       *slog.Logger  // nil = none
}

// An FS is a file system below a prefix of a bucket. It is safe for concurrent use.
//
// Names are slash-separated and relative to the prefix. Names that are longer than an S3 key or not printable are
// fs.ErrInvalid.
type FS struct {
	client    *Client
	api       *s3.Client
	bucket    string
	prefix    string // "" or ends in a slash
	budget    *budget.Budget
	share     *budget.Share // of budget
	partSize  int64
	maxParts  int
	uniform   bool
	resume    time.Duration
	renameMax int
	stall     time.Duration
	log       *slog.Logger

	copyLimit    int64 // size of the largest object that is copied in one request; 0 = maxCopy
	partCopySize int64 // approximate size of the parts in which larger ones are copied; 0 = copyPartSize

	attributes Attributes
	provenance bool
	listMtime  string
}

// NewFS returns a file system for o. It sends no request: a missing bucket, for example, is an error of the first use.
func NewFS(c *Client, o Options) *FS {
	f := &FS{
		client:    c,
		api:       c.api,
		bucket:    o.Bucket,
		budget:    o.Budget,
		partSize:  cmp.Or(o.PartSize, 8<<20),
		maxParts:  max(cmp.Or(o.MaxParts, 10_000), 2*reservedPartNumbers),
		uniform:   o.UniformParts,
		resume:    cmp.Or(o.Resume, 24*time.Hour),
		renameMax: cmp.Or(o.RenameMax, 10_000),
		stall:     cmp.Or(o.Stall, 5*time.Minute),
		log:       o.Log,

		attributes: o.Attributes,
		provenance: o.Provenance,
		listMtime:  o.ListMtime,
	}
	if prefix := strings.Trim(o.Prefix, "/"); prefix != "" {
		f.prefix = prefix + "/"
	}
	if f.budget == nil {
		f.budget = budget.New(256 << 20)
	}
	f.share = f.budget.ShareOf(o.User)
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	return f
}

// withGrace returns a context that ends d after ctx.
func withGrace(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(d, cancel)
		context.AfterFunc(longer, func() { timer.Stop() })
	})
	return longer, func() {
		stop()
		cancel()
	}
}

// copyGrace is how long a copy in progress may continue after the end of the caller's context. A copy of some GiB takes
// minutes. S3 may finish a canceled copy, and a rename would leave the file under both names.
const copyGrace = 15 * time.Minute

// withCopyGrace is withGrace with copyGrace, for copies and the changes that depend on them. After Stop it is limited to
// cleanup, the grace of other changes.
func (c *Client) withCopyGrace(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := withGrace(ctx, copyGrace)
	if c.stopping == nil {
		return longer, cancel
	}
	graceful, done := withGrace(c.stopping, cancelGrace)
	context.AfterFunc(graceful, cancel)
	return longer, func() {
		done()
		cancel()
	}
}

// copyContext is changeContext for a copy.
func (c *Client) copyContext(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, nil, err
	}
	ctx, cancel := c.withCopyGrace(ctx)
	return ctx, cancel, nil
}

// changeContext returns the context for a change that is about to begin. It fails if ctx has ended; otherwise the context
// ends some time after ctx. The result of a canceled request is unknown, and a canceled rename may leave the file under
// both names.
func changeContext(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, nil, err
	}
	ctx, cancel := withGrace(ctx, cancelGrace)
	return ctx, cancel, nil
}

// recoverPanic sets *err if the goroutine panics, so that the panic ends one transfer and not the process.
func recoverPanic(err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
	}
}

// async runs f in a goroutine. The returned function waits for its result.
func async[T any](f func() (T, error)) func() (T, error) {
	var (
		value T
		err   error
		done  = make(chan struct{})
	)
	go func() {
		defer close(done)
		defer recoverPanic(&err)
		value, err = f()
	}()
	return func() (T, error) {
		<-done
		return value, err
	}
}

// maxKeyLength is S3's limit for a key, in bytes.
const maxKeyLength = 1024

// fileKey returns the key of a file: the prefix and the cleaned name. The root is syscall.EISDIR.
func (f *FS) fileKey(name string) (string, error) {
	key, err := f.keyOf(name, "")
	if err == nil && key == f.prefix {
		return "", syscall.EISDIR
	}
	return key, err
}

// dirPrefix returns the prefix of the keys in a directory. It ends in a slash, but is "" for the root of a whole bucket.
func (f *FS) dirPrefix(name string) (string, error) { return f.keyOf(name, "/") }

// keyOf returns the key of a name, with end appended. The length limit does not include end: S3 refuses a directory
// marker that is too long.
func (f *FS) keyOf(name, end string) (string, error) {
	rest := strings.TrimPrefix(path.Clean("/"+name), "/")
	if rest == "" {
		return f.prefix, nil
	}
	if !proxy.IsPrintable(rest) || len(f.prefix)+len(rest) > maxKeyLength {
		return "", fs.ErrInvalid
	}
	return f.prefix + rest + end, nil
}

// bucketKey identifies a key in all buckets of all services of the process.
func (f *FS) bucketKey(key string) string { return f.client.bucketKey(f.bucket, key) }

func (c *Client) bucketKey(bucket, key string) string { return c.service + "/" + bucket + "/" + key }

// forEach calls do for all items, several at the same time, and for no more after the first error. It waits for the
// calls in progress: the effect of a cancelled request is unknown.
func forEach[T any](ctx context.Context, items []T, do func(context.Context, T) error) error {
	failed, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	next := make(chan T)
	var wg sync.WaitGroup
	for range min(maxConcurrentCopies, len(items)) {
		wg.Go(func() {
			for item := range next {
				if err := doRecovered(ctx, item, do); err != nil {
					fail(err)
				}
			}
		})
	}
	for _, item := range items {
		select {
		case next <- item:
			continue
		case <-failed.Done():
		}
		break
	}
	close(next)
	wg.Wait()
	return context.Cause(failed)
}

// doRecovered calls do, and returns a panic as an error.
func doRecovered[T any](ctx context.Context, item T, do func(context.Context, T) error) (err error) {
	defer recoverPanic(&err)
	return do(ctx, item)
}

// maxConcurrentCopies limits the objects, or parts of one object, that S3 copies at the same time.
const maxConcurrentCopies = 16
