package bench

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

// directClient uses the SDK. Failures of transfers end the benchmark.
type directClient struct {
	harness.Bucket
	likeBridge bool // listings are requested as s3ftpd requests them from MinIO
}

func (c directClient) put(name string, size int64) error {
	if block := harness.Block(); size > int64(len(block)) {
		c.Upload(name, size)
	} else {
		c.Put(name, string(block[:size]))
	}
	return nil
}

func (c directClient) get(name string, _ int64) error {
	c.Download(name)
	return nil
}

// list lists page by page. The first time is that of the first page.
func (c directClient) list(_, dir string, entries int) (first time.Duration, err error) {
	in := &s3.ListObjectsV2Input{Bucket: &c.Name, Prefix: aws.String(dir + "/")}
	var options []func(*s3.Options)
	if c.likeBridge {
		in.Delimiter, in.EncodingType = aws.String("/"), types.EncodingTypeUrl
		options = append(options, withMetadata)
	}
	begin, n := time.Now(), 0
	for pages := s3.NewListObjectsV2Paginator(c, in); pages.HasMorePages(); {
		page, err := pages.NextPage(c.T.Context(), options...)
		if err != nil {
			return 0, err
		}
		if first == 0 {
			first = time.Since(begin)
		}
		n += len(page.Contents)
	}
	return first, wrongCount(n, entries)
}

// withMetadata adds metadata=true to a request, with which MinIO lists the metadata of objects.
func withMetadata(o *s3.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return stack.Build.Add(middleware.BuildMiddlewareFunc("list metadata", func(
			ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler,
		) (middleware.BuildOutput, middleware.Metadata, error) {
			if r, ok := in.Request.(*smithyhttp.Request); ok {
				r.URL.RawQuery += "&metadata=true"
			}
			return next.HandleBuild(ctx, in)
		}), middleware.After)
	})
}

// prepare stores the files that the workload reads or lists, without delay. The null server needs them too: other servers
// list a directory before they open a file in it.
func (w workload) prepare(c directClient) {
	names, size := []string{w.dir() + "/file-0"}, int64(1)
	switch {
	case w.Kind == "put":
		return
	case w.Kind == "get":
		names, size = nil, w.Size
		for i := range w.Files {
			names = append(names, w.file(i))
		}
	case w.Service != "null":
		if names = w.entries(); len(c.Keys(w.dir()+"/")) == len(names) {
			return
		}
	}
	var all sync.WaitGroup
	for g := range 16 {
		all.Go(func() {
			for i := g; i < len(names); i += 16 {
				c.put(names[i], size)
			}
		})
	}
	all.Wait()
}

// forget deletes the files that the workload stores, so that verify cannot take those of another subject for them.
func (w workload) forget(c directClient) {
	for i := range w.Files {
		name := w.file(i)
		if _, err := c.DeleteObject(c.T.Context(), &s3.DeleteObjectInput{Bucket: &c.Name, Key: &name}); err != nil {
			c.T.Fatal(err)
		}
	}
}
