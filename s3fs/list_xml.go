package s3fs

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// decode decodes the response of ListObjectsV2 into p. The decoder of the SDK takes several times as long for a page,
// because it allocates a dozen values for each key.
func (p *page) decode(o *s3.Options) {
	const id = "OperationDeserializer"
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		sdk, ok := stack.Deserialize.Get(id)
		if !ok {
			return fmt.Errorf("the SDK has no middleware %s to replace", id)
		}
		_, err := stack.Deserialize.Swap(id, middleware.DeserializeMiddlewareFunc(id, func(
			ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
		) (middleware.DeserializeOutput, middleware.Metadata, error) {
			out, metadata, err := next.HandleDeserialize(ctx, in)
			answer, ok := out.RawResponse.(*smithyhttp.Response)
			if err == nil && ok && answer.StatusCode/100 == 2 && answer.StatusCode != http.StatusOK {
				return out, metadata, fmt.Errorf("%w: the listing has status %d", errUnconfirmed, answer.StatusCode)
			}
			if err != nil || !ok || answer.StatusCode != http.StatusOK {
				return sdk.HandleDeserialize(ctx, in, receivedAnswer{out, metadata, err})
			}
			defer answer.Body.Close() // as the SDK does
			out.Result = &s3.ListObjectsV2Output{}
			text, err := io.ReadAll(answer.Body) // see limitAnswers
			if err != nil {
				return out, metadata, &smithyhttp.RequestSendError{Err: err} // is retried
			}
			return out, metadata, p.parse(string(text))
		}))
		return err
	})
}

// receivedAnswer is a handler that returns a response which has already been received.
type receivedAnswer struct {
	out      middleware.DeserializeOutput
	metadata middleware.Metadata
	err      error
}

// HandleDeserialize implements middleware.DeserializeHandler.
func (a receivedAnswer) HandleDeserialize(context.Context, middleware.DeserializeInput) (middleware.DeserializeOutput, middleware.Metadata, error) {
	return a.out, a.metadata, a.err
}

// parse parses the XML of S3. Every value that it needs is the text before a closing tag, so it scans tags and builds no
// tree.
func (p *page) parse(text string) error {
	const root = "ListBucketResult"
	*p = page{}
	var (
		o      object
		meta   metadata // of o
		last   string
		header = make(map[string]string) // elements outside of the entries
	)
	for value, tag := range tags(text) {
		last = tag
		var err error
		if meta.consume(tag, value) {
			continue
		}
		switch tag {
		case "Contents", "CommonPrefixes":
			o, meta = object{}, metadata{}
		case "/Contents":
			err = o.setMetadata(meta)
			p.objects = append(p.objects, o)
		case "/CommonPrefixes":
			p.dirs = append(p.dirs, o.key)
		case "/EncodingType", "/IsTruncated", "/NextContinuationToken":
			header[tag], err = unescape(value)
		default:
			err = o.set(tag, value)
		}
		if err != nil {
			return fmt.Errorf("%s %q in the listing: %w", tag[1:], value, err)
		}
	}
	if last != "/"+root && last != root+"/" {
		return fmt.Errorf("%w: the listing ends with %q instead of %q", errUnconfirmed, last, "/"+root)
	}
	if header["/IsTruncated"] == "true" {
		if p.next = header["/NextContinuationToken"]; p.next == "" {
			return errors.New("the listing is truncated, but has no continuation token")
		}
	}
	if header["/EncodingType"] == "url" {
		return p.unquote()
	}
	return nil
}

// set sets the field of an entry that a closing tag names.
func (o *object) set(tag, value string) (err error) {
	switch tag {
	case "/Key", "/Prefix":
		o.key, err = unescape(value)
	case "/Size":
		o.size, err = strconv.ParseInt(value, 10, 64)
	case "/LastModified":
		o.mtime, err = time.Parse(time.RFC3339, value)
	case "/ETag":
		value, err = unescape(value)
		o.etag = strings.Trim(value, `"`)
	case "/StorageClass":
		o.class = value
	}
	return err
}

// unquote decodes the keys, which the request asked to be URL-encoded, as XML cannot represent every key.
func (p *page) unquote() (err error) {
	for i := range p.objects {
		if p.objects[i].key, err = url.QueryUnescape(p.objects[i].key); err != nil {
			return fmt.Errorf("decoding a key of the listing: %w", err)
		}
	}
	for i := range p.dirs {
		if p.dirs[i], err = url.QueryUnescape(p.dirs[i]); err != nil {
			return fmt.Errorf("decoding a prefix of the listing: %w", err)
		}
	}
	return nil
}

// tags yields the name of each tag, with the slash of a closing tag, and the text before it.
func tags(text string) iter.Seq2[string, string] {
	return func(yield func(value, tag string) bool) {
		for {
			value, rest, _ := strings.Cut(text, "<")
			tag, rest, found := strings.Cut(rest, ">")
			text = rest
			if i := strings.IndexByte(tag, ' '); i > 0 {
				tag = tag[:i] // attributes
			}
			if !found || tag == "" || !yield(value, tag) {
				return
			}
		}
	}
}

var quotes = strings.NewReplacer("&quot;", `"`, "&#34;", `"`)

// unescape decodes the entities of XML. Only the quotes around ETags are frequent.
func unescape(s string) (string, error) {
	if !strings.Contains(s, "&") {
		return s, nil
	}
	if s = quotes.Replace(s); !strings.Contains(s, "&") {
		return s, nil
	}
	var text string
	err := xml.Unmarshal([]byte("<t>"+s+"</t>"), &text)
	return text, err
}
