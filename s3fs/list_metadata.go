package s3fs

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// MinIO lists the metadata of objects beside them, if the query has metadata=true. It reads them anyway.

// listsMetadata reports whether listings show the time in the metadata where that costs nothing, and the service is MinIO.
func (f *FS) listsMetadata() bool {
	return f.listMtime == auto && f.client.minio.Load() && f.client.features.supports(listMetadata, f.bucket)
}

// listPage asks for a page of a listing, with metadata where the service has them. The first answer of all tells whether it is
// MinIO; then its question is repeated.
func (f *FS) listPage(ctx context.Context, prefix, delimiter, after string) (p *page, err error) {
	if !f.listsMetadata() {
		p, err = f.page(ctx, prefix, delimiter, after, 0)
		if err != nil || len(p.objects) == 0 || !f.listsMetadata() {
			return p, err
		}
	}
	err = f.client.features.attempt(listMetadata, f.bucket, refusesMetadata, func(with bool) (err error) {
		if with {
			p, err = f.page(ctx, prefix, delimiter, after, 0, askForMetadata)
		} else {
			p, err = f.page(ctx, prefix, delimiter, after, 0)
		}
		return err
	})
	return p, err
}

// refusesMetadata reports whether a service, or a proxy before it, may have refused a listing because of its query.
func refusesMetadata(err error) bool {
	return unknown(err) || declined(err) && !errors.Is(err, ErrNoBucket)
}

// askForMetadata adds the parameter to the query, before it is signed.
func askForMetadata(o *s3.Options) {
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

// metadata is what a listing tells of an object beside what S3 has there: elements that are named as headers of the object.
type metadata struct {
	seen, within bool
	mtime        string
}

// takes reports whether a tag belongs to the metadata, of which the time is kept.
func (m *metadata) takes(tag, value string) bool {
	const element = "UserMetadata"
	switch {
	case tag == element:
		m.seen, m.within = true, true
	case tag == "/"+element:
		m.within = false
	case !m.within:
		return false
	case strings.EqualFold(tag, "/X-Amz-Meta-Mtime"):
		m.mtime = value
	}
	return true
}

// keep takes over the time in the metadata, if there is one. It lets go of the page's text, which has all metadata in it.
func (o *object) keep(m metadata) error {
	if !m.seen {
		return nil
	}
	text, err := unescape(m.mtime)
	o.mtime = mtime(map[string]string{"mtime": text}, &o.mtime)
	o.key, o.etag, o.class = strings.Clone(o.key), strings.Clone(o.etag), strings.Clone(o.class)
	return err
}
