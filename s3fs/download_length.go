package s3fs

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// getWithLength requests an object and makes sure that ContentLength is set, see exactBody. Further requests for the object
// must use the same options.
func (f *FS) getWithLength(ctx context.Context, in *s3.GetObjectInput, at proxy.Range) (out *s3.GetObjectOutput, options []func(*s3.Options), err error) {
	out, err = f.client.getWithChecksum(ctx, in)
	if err != nil || out.ContentLength != nil {
		return out, nil, err
	}
	if answerHeader(out.ResultMetadata, "X-Goog-Stored-Content-Encoding") == "gzip" {
		out.Body.Close()
		options = append(options, acceptGzip)
		out, err = f.client.getWithChecksum(ctx, in, options...)
		if err != nil || out.ContentLength != nil {
			return out, options, err
		}
	}
	if err = f.findLength(ctx, in, out, at); err != nil {
		out.Body.Close()
		return nil, nil, err
	}
	return out, options, nil
}

// findLength sets the missing ContentLength of a response, from its Content-Range or from HeadObject.
func (f *FS) findLength(ctx context.Context, in *s3.GetObjectInput, out *s3.GetObjectOutput, at proxy.Range) error {
	size := int64(-1)
	r, ranged := parseRange(out.ContentRange)
	if ranged {
		size = r.total
	} else if head, err := f.api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: in.Bucket, Key: in.Key}); err != nil {
		return err
	} else if head.ContentLength != nil && out.ETag != nil && unquote(head.ETag) == unquote(out.ETag) {
		size = *head.ContentLength
	}
	if size < at.Offset {
		return errors.New("the service does not return the size of the object")
	}
	length := size - at.Offset
	if ranged && at.Length > 0 {
		length = min(length, at.Length)
	}
	out.ContentLength = &length
	body := &exactBody{ReadCloser: out.Body, remaining: length}
	out.Body = body
	if body.remaining == 0 {
		return body.checkEnd()
	}
	return nil
}

// An exactBody is the body of a response without Content-Length. It fails if it is longer or shorter than remaining. It
// returns its last bytes only after the end of the response.
type exactBody struct {
	io.ReadCloser
	remaining int64
}

// Read implements io.Reader.
func (b *exactBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.remaining)])
	b.remaining -= int64(n)
	switch {
	case err == io.EOF && b.remaining > 0:
		return n, io.ErrUnexpectedEOF
	case err == nil && b.remaining == 0 && n > 0:
		if err := b.checkEnd(); err != nil {
			return 0, err
		}
	}
	return n, err
}

// checkEnd returns an error unless the body has ended.
func (b *exactBody) checkEnd() error {
	n, err := io.ReadFull(b.ReadCloser, make([]byte, 1))
	switch {
	case n > 0:
		return errors.New("the response is longer than the object")
	case err != io.EOF:
		return fmt.Errorf("reading the end of a response without Content-Length: %w", err)
	}
	return nil
}

// acceptGzip requests an object as it is stored. The header is not signed, as Google's front end changes it.
func acceptGzip(o *s3.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("s3fs: as stored", func(
			ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
		) (middleware.FinalizeOutput, middleware.Metadata, error) {
			if req, ok := in.Request.(*smithyhttp.Request); ok {
				req.Header.Set("Accept-Encoding", "gzip")
			}
			return next.HandleFinalize(ctx, in)
		}), "Signing", middleware.After)
	})
}

// A byteRange is the value of a Content-Range header.
type byteRange struct{ first, last, total int64 }

func (r byteRange) String() string { return fmt.Sprintf("bytes %d-%d/%d", r.first, r.last, r.total) }

func parseRange(text *string) (r byteRange, ok bool) {
	n, _ := fmt.Sscanf(aws.ToString(text), "bytes %d-%d/%d", &r.first, &r.last, &r.total)
	return r, n == 3 && r.String() == *text
}
