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
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/budget"
)

// Options say where in a service an [FS] lies, and what it may take.
type Options struct {
	Bucket string
	Prefix string         // what all keys begin with; a slash is put at its end
	Budget *budget.Budget // of the buffers of transfers; nil = 256 MiB for this FS alone

	PartSize     int64 // bytes of an upload's first part; 0 = 8 MiB, at least 5 MiB, at most a quarter of the budget
	MaxParts     int   // part numbers that the service takes; 0 = 10,000
	UniformParts bool  // all parts but the last must be of one size

	Attributes // of the objects that are written

	// Resume is how long a broken upload can be continued; 0 = 24 h, below 0 = off.
	Resume time.Duration

	// ListMtime is the time of files in listings: s3, the default, is LastModified; metadata is that of Stat, which costs a
	// request for each file whose time is not yet known; auto is that of Stat where listings tell it, as MinIO's do.
	ListMtime string

	RenameMax int           // objects in a directory that may be renamed; 0 = 10,000
	Stall     time.Duration // for how long an upload waits for memory; 0 = 5 min
	Log       *slog.Logger  // nil = none
}

// An FS is a place in a bucket. Its methods may be called from many goroutines at once.
//
// Names are slash-separated and begin at the place's root. A name that S3 cannot hold, or that a listing
// could not show, is fs.ErrInvalid.
type FS struct {
	client    *Client
	api       *s3.Client
	bucket    string
	prefix    string // "" or ends in a slash
	budget    *budget.Budget
	partSize  int64
	maxParts  int
	uniform   bool
	resume    time.Duration
	renameMax int
	stall     time.Duration
	log       *slog.Logger

	copyLimit    int64 // the largest object that is copied in one request; 0 = maxCopy
	partCopySize int64 // of a part in which a larger one is copied, about; 0 = copyPartSize

	attributes Attributes
	listMtime  string
}

// NewFS returns the place in a bucket that o describes. It sends nothing: what is wrong with it, the first use tells.
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
		listMtime:  o.ListMtime,
	}
	if prefix := strings.Trim(o.Prefix, "/"); prefix != "" {
		f.prefix = prefix + "/"
	}
	if f.budget == nil {
		f.budget = budget.New(256 << 20)
	}
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	return f
}

// withGrace returns a context that ends d after ctx does.
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

// copyGrace is how long S3 may go on with a copy that it has begun when the caller has gone: a copy of some GiB takes minutes. One that is
// broken off may be made all the same, and then the file has both names.
const copyGrace = 15 * time.Minute

// withCopyGrace is withGrace for copies, and for changes that have copies behind them. Once the process must end, see Stop, they have no more time
// than other changes.
func (c *Client) withCopyGrace(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := withGrace(ctx, copyGrace)
	if c.stopping == nil {
		return longer, cancel
	}
	soon, done := withGrace(c.stopping, cancelGrace)
	context.AfterFunc(soon, cancel)
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

// changeContext returns the context of a change that is about to begin: it is an error if ctx has ended, and otherwise ends
// some time after ctx. Of a request that is broken off it is unknown what it did, and a rename that is half-done has left
// the file under both names.
func changeContext(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, nil, err
	}
	ctx, cancel := withGrace(ctx, cancelGrace)
	return ctx, cancel, nil
}

// recoverPanic makes a panic the error of a goroutine of ours, so that it ends one transfer and not the process.
func recoverPanic(err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
	}
}

// async starts f and returns a function that waits for what it returns.
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

// fileKey returns the key of a file: the prefix and the name, folded at the root.
func (f *FS) fileKey(name string) (string, error) {
	key, err := f.keyOf(name, "")
	if err == nil && key == f.prefix {
		return "", syscall.EISDIR
	}
	return key, err
}

// dirPrefix returns what the keys in a directory begin with: "" for the root of a whole bucket, else something that ends
// in a slash.
func (f *FS) dirPrefix(name string) (string, error) { return f.keyOf(name, "/") }

// keyOf leaves a directory's slash out of account: its marker is S3's to refuse.
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
