package s3fs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// Google uncompresses an object that is stored with Content-Encoding: gzip as it sends it, unless the request accepts
// gzip. Such an answer has no Content-Length, and takes no Range. What is stored has both, so that is asked for.

// storedLengthHeader tells how long the stored object is.
const storedLengthHeader = "X-Goog-Stored-Content-Length"

// storedLength makes HEAD tell the length of what is stored, for all requests of a client.
func storedLength(stack *middleware.Stack) error {
	const id = "s3fs: stored length"
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc(id, func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleInitialize(ctx, in)
		if is, ok := out.Result.(*s3.HeadObjectOutput); ok && err == nil && is.ContentLength == nil {
			if n, bad := strconv.ParseInt(answerHeader(metadata, storedLengthHeader), 10, 64); bad == nil {
				is.ContentLength = &n
			}
		}
		return out, metadata, err
	}), middleware.Before)
}

// answerHeader returns a header of an answer that the SDK does not tell.
func answerHeader(metadata middleware.Metadata, name string) string {
	if answer, ok := awsmiddleware.GetRawResponse(metadata).(*smithyhttp.Response); ok {
		return answer.Header.Get(name)
	}
	return ""
}

// asStored asks for an object as it is stored. The header is not signed, as Google's front end changes it.
func asStored(o *s3.Options) {
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

// getWithLength asks for an object, and for how long the answer is, see exactBody. Requests for the rest of the object
// take the same options.
func (f *FS) getWithLength(ctx context.Context, in *s3.GetObjectInput, at proxy.Range) (out *s3.GetObjectOutput, options []func(*s3.Options), err error) {
	out, err = f.client.getWithSum(ctx, in)
	if err != nil || out.ContentLength != nil {
		return out, nil, err
	}
	if answerHeader(out.ResultMetadata, "X-Goog-Stored-Content-Encoding") == "gzip" {
		out.Body.Close()
		options = append(options, asStored)
		out, err = f.client.getWithSum(ctx, in, options...)
		if err != nil || out.ContentLength != nil {
			return out, options, err
		}
	}
	if err = f.measure(ctx, in, out, at); err != nil {
		out.Body.Close()
		return nil, nil, err
	}
	return out, options, nil
}

// measure finds the length of an answer that does not tell it: by the range that it is of, or by HEAD.
func (f *FS) measure(ctx context.Context, in *s3.GetObjectInput, out *s3.GetObjectOutput, at proxy.Range) error {
	size := int64(-1)
	r, ranged := parseRange(out.ContentRange)
	if ranged {
		size = r.total
	} else if is, err := f.api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: in.Bucket, Key: in.Key}); err != nil {
		return err
	} else if is.ContentLength != nil && out.ETag != nil && unquote(is.ETag) == unquote(out.ETag) {
		size = *is.ContentLength
	}
	if size < at.Offset {
		return errors.New("the service does not tell how long the object is")
	}
	length := size - at.Offset
	if ranged && at.Length > 0 {
		length = min(length, at.Length)
	}
	out.ContentLength = &length
	body := &exactBody{ReadCloser: out.Body, left: length}
	out.Body = body
	if body.left == 0 {
		return body.end()
	}
	return nil
}

// An exactBody is the body of an answer that does not tell its length. It fails if it is longer or shorter than left,
// and gives out its last bytes only when it has ended.
type exactBody struct {
	io.ReadCloser
	left int64
}

// Read implements io.Reader.
func (b *exactBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	switch {
	case err == io.EOF && b.left > 0:
		return n, io.ErrUnexpectedEOF
	case err == nil && b.left == 0 && n > 0:
		if err := b.end(); err != nil {
			return 0, err
		}
	}
	return n, err
}

// end checks that the body has no more bytes.
func (b *exactBody) end() error {
	n, err := io.ReadFull(b.ReadCloser, make([]byte, 1))
	switch {
	case n > 0:
		return errors.New("the service sends more bytes than the object has")
	case err != io.EOF:
		return fmt.Errorf("the end of an answer without a length: %w", err)
	}
	return nil
}
