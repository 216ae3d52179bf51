package s3fs

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// mtimeFromMetadata is the value of Options.ListMtime that calls HeadObject for each file.
const mtimeFromMetadata = "metadata"

// maxParallelHeads limits the HeadObject requests of one listing that are in progress.
const maxParallelHeads = 16

// withTimes yields the entries of a page below root. With mtimeFromMetadata, it replaces each file by the result of
// HeadObject, for up to maxParallelHeads files at a time.
//
// A file that no longer exists is skipped. If HeadObject fails otherwise, the entry stays as the page has it.
func (f *FS) withTimes(ctx context.Context, root string, entries iter.Seq[*info]) iter.Seq2[*info, error] {
	if f.listMtime != mtimeFromMetadata {
		return func(yield func(*info, error) bool) {
			entries(func(e *info) bool { return yield(e, nil) })
		}
	}
	return func(yield func(*info, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var (
			ahead []func() (*info, error)
			warn  sync.Once
		)
		defer func() {
			cancel()
			for _, wait := range ahead {
				wait()
			}
		}()
		next := func() bool {
			e, err := ahead[0]()
			ahead = ahead[1:]
			return errors.Is(err, fs.ErrNotExist) || yield(e, err) && err == nil
		}
		for e := range entries {
			ahead = append(ahead, async(func() (*info, error) { return f.withTime(ctx, root, e, &warn) }))
			if len(ahead) == maxParallelHeads && !next() {
				return
			}
		}
		for len(ahead) > 0 && next() {
		}
	}
}

// withTime returns e with the modification time of its metadata, from the cache or by HeadObject. If HeadObject fails,
// it returns e and logs a warning, once for each warn.
func (f *FS) withTime(ctx context.Context, root string, e *info, warn *sync.Once) (*info, error) {
	if e.dir {
		return e, nil
	}
	v := f.entryVersion(root+e.name, e.etag, e.mtime)
	if mtime, ok := f.client.mtimes.get(v); ok {
		e.mtime = mtime
		return e, nil
	}
	head, err := f.head(ctx, root+e.name)
	switch {
	case err == nil:
		if e.etag != "" && sameETag(head.etag, e.etag) && aws.ToTime(head.head.LastModified).Equal(e.mtime.Truncate(time.Second)) && time.Since(e.mtime) > minCacheAge {
			f.client.mtimes.add(v, head.mtime)
		}
		return head, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, err
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	warn.Do(func() {
		f.log.WarnContext(ctx, "modification time not in listing, using LastModified", "key", root+e.name, "err", err)
	})
	return e, nil
}

// minCacheAge is the age from which the time of a file is cached. LastModified has whole seconds and clocks differ, so a
// younger file may change without a new LastModified.
const minCacheAge = time.Minute

// An entryVersion is a hash of bucket, key, ETag and LastModified, which identify a version of an object.
type entryVersion [16]byte

func (f *FS) entryVersion(key, etag string, modified time.Time) entryVersion {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%s\x00%d", f.bucket, key, etag, modified.UnixNano()))
	return entryVersion(sum[:len(entryVersion{})])
}

// mtimeCache caches the modification times of versions. It has two generations and drops the old one when the recent one
// is full, which limits its memory.
type mtimeCache struct {
	mu          sync.Mutex
	recent, old map[entryVersion]time.Time
}

// generationSize is the number of times in a generation.
const generationSize = 32 << 10

func (k *mtimeCache) get(v entryVersion) (time.Time, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	t, ok := k.recent[v]
	if !ok {
		if t, ok = k.old[v]; ok {
			k.put(v, t)
		}
	}
	return t, ok
}

func (k *mtimeCache) add(v entryVersion, t time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.put(v, t)
}

func (k *mtimeCache) put(v entryVersion, t time.Time) {
	if k.recent == nil || len(k.recent) >= generationSize {
		k.recent, k.old = make(map[entryVersion]time.Time), k.recent
	}
	k.recent[v] = t
}

// MinIO lists the metadata of objects if the query has metadata=true, at no cost.

// listsMetadata reports whether Options.ListMtime is auto and the service is a MinIO that has not refused to list metadata.
func (f *FS) listsMetadata() bool {
	return f.listMtime == auto && f.client.isMinIO.Load() && f.client.features.supports(listMetadata, f.bucket)
}

// fetchPageWithTimes requests a page of a listing, with metadata if listsMetadata. The first response of a service shows
// whether it is MinIO; the request is then repeated with metadata.
func (f *FS) fetchPageWithTimes(ctx context.Context, prefix, delimiter, after string) (p *page, err error) {
	if !f.listsMetadata() {
		p, err = f.fetchPage(ctx, prefix, delimiter, after, 0)
		if err != nil || len(p.objects) == 0 || !f.listsMetadata() {
			return p, err
		}
	}
	err = f.client.features.try(listMetadata, f.bucket, refusesMetadata, func(with bool) (err error) {
		if with {
			p, err = f.fetchPage(ctx, prefix, delimiter, after, 0, requestMetadata)
		} else {
			p, err = f.fetchPage(ctx, prefix, delimiter, after, 0)
		}
		return err
	})
	return p, err
}

// refusesMetadata reports whether a service, or a proxy in front of it, may have refused a listing because of its query.
func refusesMetadata(err error) bool {
	return isUnsupported(err) || isRejected(err) && !errors.Is(err, ErrNoBucket)
}

// requestMetadata adds metadata=true to the query before it is signed.
func requestMetadata(o *s3.Options) {
	const id = "s3fs: list metadata"
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return stack.Build.Add(middleware.BuildMiddlewareFunc(id, func(
			ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler,
		) (middleware.BuildOutput, middleware.Metadata, error) {
			if r, ok := in.Request.(*smithyhttp.Request); ok {
				r.URL.RawQuery += "&metadata=true"
			}
			return next.HandleBuild(ctx, in)
		}), middleware.After)
	})
}

// metadata is the UserMetadata element of an object in a listing of MinIO. Its elements have the names of headers.
type metadata struct {
	present, inside bool
	mtime           string
}

// consume reports whether a tag belongs to the metadata. It stores the modification time.
func (m *metadata) consume(tag, value string) bool {
	const element = "UserMetadata"
	switch {
	case tag == element:
		m.present, m.inside = true, true
	case tag == "/"+element:
		m.inside = false
	case !m.inside:
		return false
	case strings.EqualFold(tag, "/X-Amz-Meta-Mtime"):
		m.mtime = value
	}
	return true
}

// setMetadata sets the time of o from the metadata, if it has one. It clones the strings of o, so that the text of the page,
// which contains all metadata, can be freed.
func (o *object) setMetadata(m metadata) error {
	if !m.present {
		return nil
	}
	text, err := unescape(m.mtime)
	o.mtime = mtime(map[string]string{"mtime": text}, &o.mtime)
	o.key, o.etag, o.class = strings.Clone(o.key), strings.Clone(o.etag), strings.Clone(o.class)
	return err
}
