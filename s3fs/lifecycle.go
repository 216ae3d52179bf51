package s3fs

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Errors of [FS.FixLifecycle]. Both name the configuration that was read first, so that it can be restored.
var (
	ErrLifecycleKept    = errors.New("the bucket's lifecycle rules cannot be written back as they are: nothing was written")
	ErrLifecycleChanged = errors.New("the bucket's lifecycle rules read back otherwise than they were written")
)

// lifecycleID is the ID of the rule that FixLifecycle adds.
const lifecycleID = "s3ftpd-abort-incomplete-uploads"

// minAbortDays leaves a slow upload time to end: S3 aborts uploads that still run, too.
const minAbortDays = 7

// abortDays returns after how many days incomplete uploads may be aborted, so that none is that can still be resumed.
func (f *FS) abortDays() int {
	const day = 24 * time.Hour
	return max(minAbortDays, int((max(f.resume, 0)+day-1)/day)+1)
}

// FixLifecycle adds a rule to the bucket that aborts incomplete multipart uploads below the prefix, unless it has one, and returns the
// rule's days. All other rules stay: if they cannot be written back as they were read, since they have elements that the SDK does not
// know, nothing is written. After the write the rules are read back and compared.
func (f *FS) FixLifecycle(ctx context.Context) (days int, added bool, err error) {
	before, err := f.readLifecycle(ctx)
	if err != nil {
		return 0, false, err
	}
	if days := before.abortDays(f.prefix); days > 0 {
		return days, false, nil
	}
	rule := types.LifecycleRule{ID: aws.String(before.freeID()), Status: types.ExpirationStatusEnabled, Filter: &types.LifecycleRuleFilter{Prefix: &f.prefix},
		AbortIncompleteMultipartUpload: &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: aws.Int32(int32(f.abortDays()))}}
	wanted := slices.Sorted(slices.Values(append(slices.Clone(before.elements), canonicalRule(rule))))
	_, err = f.api.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{
		Bucket: &f.bucket, TransitionDefaultMinimumObjectSize: before.minimumSize,
		LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: append(slices.Clone(before.rules), rule)},
	}, f.sendContentMD5, sendOnly(wanted))
	if err != nil {
		return 0, false, before.named(err)
	}
	after, err := f.readLifecycle(ctx)
	switch {
	case err != nil:
		return 0, true, before.named(fmt.Errorf("reading back the lifecycle rules: %w", err))
	case !slices.Equal(after.elements, wanted) || after.minimumSize != before.minimumSize && before.minimumSize != "":
		return 0, true, before.named(ErrLifecycleChanged)
	}
	return f.abortDays(), true, nil
}

// A bucketLifecycle is the lifecycle configuration of a bucket.
type bucketLifecycle struct {
	raw         []byte // XML; empty = none
	rules       []types.LifecycleRule
	minimumSize types.TransitionDefaultMinimumObjectSize // a setting beside the rules
	elements    []string                                 // canonical forms of the elements in raw, sorted
}

// named adds the configuration to an error, so that it can be restored.
func (l *bucketLifecycle) named(err error) error {
	if len(l.raw) == 0 || !errors.Is(err, ErrLifecycleChanged) && !errors.Is(err, ErrLifecycleKept) {
		return err
	}
	return fmt.Errorf("%w; they were: %s", err, l.raw)
}

// abortDays returns after how many days a rule aborts uploads below the prefix, 0 if none does.
func (l *bucketLifecycle) abortDays(prefix string) int {
	for _, rule := range l.rules {
		if abort := rule.AbortIncompleteMultipartUpload; abort != nil && rule.Status == types.ExpirationStatusEnabled && covers(rule, prefix) {
			return int(aws.ToInt32(abort.DaysAfterInitiation))
		}
	}
	return 0
}

// freeID returns an ID that no rule has.
func (l *bucketLifecycle) freeID() string {
	id := lifecycleID
	for i := 2; slices.ContainsFunc(l.rules, func(r types.LifecycleRule) bool { return aws.ToString(r.ID) == id }); i++ {
		id = fmt.Sprintf("%s-%d", lifecycleID, i)
	}
	return id
}

// readLifecycle reads the configuration, and its XML as S3 sent it. A bucket without one has no rules.
func (f *FS) readLifecycle(ctx context.Context) (*bucketLifecycle, error) {
	l := &bucketLifecycle{}
	out, err := f.api.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: &f.bucket}, l.keepRaw)
	if errorCode(err) == "NoSuchLifecycleConfiguration" {
		return &bucketLifecycle{}, nil
	}
	if err != nil {
		return nil, err
	}
	l.rules, l.minimumSize = out.Rules, out.TransitionDefaultMinimumObjectSize
	if l.elements, err = canonicalElements(l.raw); err != nil {
		return nil, fmt.Errorf("the bucket's lifecycle rules: %w", err)
	}
	return l, nil
}

// maxLifecycle is more than 1,000 rules take.
const maxLifecycle = 8 << 20

// keepRaw stores the body of the answer before the SDK decodes it.
func (l *bucketLifecycle) keepRaw(o *s3.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("s3fs: keep the lifecycle", func(
			ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
		) (middleware.DeserializeOutput, middleware.Metadata, error) {
			out, metadata, err := next.HandleDeserialize(ctx, in)
			answer, ok := out.RawResponse.(*smithyhttp.Response)
			if err != nil || !ok || answer.StatusCode/100 != 2 {
				return out, metadata, err
			}
			body := answer.Body
			defer body.Close()
			l.raw, err = io.ReadAll(io.LimitReader(body, maxLifecycle))
			answer.Body = io.NopCloser(bytes.NewReader(l.raw))
			return out, metadata, err
		}), middleware.After)
	})
}

// sendOnly makes a request fail before it is sent, unless its body has the wanted elements.
func sendOnly(wanted []string) func(*s3.Options) {
	return func(o *s3.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Build.Add(middleware.BuildMiddlewareFunc("s3fs: compare the lifecycle", func(
				ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler,
			) (out middleware.BuildOutput, metadata middleware.Metadata, err error) {
				request, ok := in.Request.(*smithyhttp.Request)
				if !ok {
					return out, metadata, fmt.Errorf("a request of type %T", in.Request)
				}
				body, err := io.ReadAll(request.GetStream())
				if err != nil {
					return out, metadata, err
				}
				got, err := canonicalElements(body)
				if err != nil || !slices.Equal(got, wanted) {
					return out, metadata, ErrLifecycleKept
				}
				if err := request.RewindStream(); err != nil {
					return out, metadata, err
				}
				return next.HandleBuild(ctx, in)
			}), middleware.Before)
		})
	}
}

// An element is an XML element of any name.
type element struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Text     string     `xml:",chardata"`
	Children []element  `xml:",any"`
}

// canonicalElements returns the elements below the root of a document. Documents with the same content have the same elements, whatever
// the order, the blanks between them and the name space.
func canonicalElements(text []byte) (list []string, err error) {
	var root element
	if err := xml.Unmarshal(text, &root); err != nil {
		return nil, err
	}
	for _, child := range root.Children {
		list = append(list, child.canonical())
	}
	slices.Sort(list)
	return list, nil
}

// canonical returns an element as text.
func (e *element) canonical() string {
	text := e.Text
	if len(e.Children) > 0 {
		text = strings.TrimSpace(text) // between them
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		text = t.UTC().Format(time.RFC3339Nano)
	}
	parts := []string{fmt.Sprintf("%q", text)}
	for _, a := range e.Attrs {
		if a.Name.Local != "xmlns" && a.Name.Space != "xmlns" {
			parts = append(parts, fmt.Sprintf("@%s=%q", a.Name.Local, a.Value))
		}
	}
	for _, child := range e.Children {
		parts = append(parts, child.canonical())
	}
	slices.Sort(parts)
	return e.XMLName.Local + "(" + strings.Join(parts, ",") + ")"
}

// canonicalRule returns a rule that aborts uploads, as canonicalElements has it.
func canonicalRule(rule types.LifecycleRule) string {
	leaf := func(name, text string) element { return element{XMLName: xml.Name{Local: name}, Text: text} }
	e := element{XMLName: xml.Name{Local: "Rule"}, Children: []element{
		leaf("ID", *rule.ID), leaf("Status", string(rule.Status)),
		{XMLName: xml.Name{Local: "Filter"}, Children: []element{leaf("Prefix", *rule.Filter.Prefix)}},
		{XMLName: xml.Name{Local: "AbortIncompleteMultipartUpload"}, Children: []element{
			leaf("DaysAfterInitiation", fmt.Sprint(*rule.AbortIncompleteMultipartUpload.DaysAfterInitiation))}},
	}}
	return e.canonical()
}

// covers reports whether a rule applies to all keys that begin with prefix.
func covers(rule types.LifecycleRule, prefix string) bool {
	//lint:ignore SA1019 old rules have it
	prefixOfRule := aws.ToString(rule.Prefix)
	if filter := rule.Filter; filter != nil {
		if filter.And != nil || filter.Tag != nil || filter.ObjectSizeGreaterThan != nil || filter.ObjectSizeLessThan != nil {
			return false
		}
		prefixOfRule = aws.ToString(filter.Prefix)
	}
	return strings.HasPrefix(prefix, prefixOfRule)
}
