package s3fs

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
)

// ErrUntried is the error of a permission that no request of the probe has shown.
var ErrUntried = errors.New("not tried")

// operationActions are the permissions that operations need, as AWS calls them.
var operationActions = map[string][]string{
	"AbortMultipartUpload":            {"s3:AbortMultipartUpload"},
	"CompleteMultipartUpload":         {"s3:PutObject"},
	"CopyObject":                      {"s3:GetObject", "s3:PutObject"},
	"CreateMultipartUpload":           {"s3:PutObject"},
	"DeleteObject":                    {"s3:DeleteObject"},
	"DeleteObjects":                   {"s3:DeleteObject"},
	"GetBucketLifecycleConfiguration": {"s3:GetLifecycleConfiguration"},
	"GetObject":                       {"s3:GetObject"},
	"HeadObject":                      {"s3:GetObject"},
	"ListMultipartUploads":            {"s3:ListBucketMultipartUploads"},
	"ListObjectsV2":                   {"s3:ListBucket"},
	"ListParts":                       {"s3:ListMultipartUploadParts"},
	"PutBucketLifecycleConfiguration": {"s3:PutLifecycleConfiguration"},
	"PutObject":                       {"s3:PutObject"},
	"UploadPart":                      {"s3:PutObject"},
	"UploadPartCopy":                  {"s3:GetObject", "s3:PutObject"},
}

// A trace records which permissions the requests of a probe have shown.
type trace struct {
	mu      sync.Mutex
	allowed map[string]bool
	denied  map[string]error // the last one
	unclear map[string]error // one of several permissions was denied
}

func newTrace() *trace {
	return &trace{allowed: map[string]bool{}, denied: map[string]error{}, unclear: map[string]error{}}
}

// traceKey is the key of the trace in a context.
type traceKey struct{}

// traceRequests records the outcome of requests with a trace in their context.
func traceRequests(stack *middleware.Stack) error {
	const id = "s3fs: trace requests"
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc(id, func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleInitialize(ctx, in)
		if t, ok := ctx.Value(traceKey{}).(*trace); ok && !refusesKeys(out.Result) {
			t.record(operationActions[operationOf(in.Parameters)], err)
		}
		return out, metadata, err
	}), middleware.Before)
}

// refusesKeys reports whether the response to a DeleteObjects request has an error for a key. Its status is 200 all the same.
func refusesKeys(result any) bool {
	deleted, ok := result.(*s3.DeleteObjectsOutput)
	return ok && deleted != nil && len(deleted.Errors) > 0
}

// namedAction matches the permission that AWS names in the message of AccessDenied.
var namedAction = regexp.MustCompile(`not authorized to perform: ((?:s3|kms|s3express):[A-Za-z]+)`)

// passed are the codes of errors that S3 answers with after it has checked the permission.
var passed = []string{"NoSuchKey", "NoSuchUpload", "NoSuchLifecycleConfiguration", "PreconditionFailed"}

// record notes the outcome of a request that needs actions.
func (t *trace) record(actions []string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	api, answered := errors.AsType[smithy.APIError](err)
	switch {
	case err == nil || answered && slices.Contains(passed, api.ErrorCode()):
		for _, action := range actions {
			t.allowed[action] = true
		}
	case !answered || !errors.Is(err, fs.ErrPermission):
	case namedAction.MatchString(api.ErrorMessage()):
		t.denied[namedAction.FindStringSubmatch(api.ErrorMessage())[1]] = err
	case len(actions) == 1:
		t.denied[actions[0]] = err
	default:
		for _, action := range actions {
			t.unclear[action] = err
		}
	}
}

// exists notes that S3 let a request pass that needs one action: it says that what the request is about does not exist.
func (t *trace) exists(action string, err error) {
	if _, answered := errors.AsType[smithy.APIError](err); answered && !errors.Is(err, fs.ErrPermission) && status(err) < 500 {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.allowed[action] = true
	}
}

// forget removes a denial that proves nothing.
func (t *trace) forget(action string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.denied, action)
}

// find returns the error of a permission, nil if it is allowed. A denial counts less than a success: a policy can deny single requests.
func (t *trace) find(action string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.allowed[action]:
		return nil
	case t.denied[action] != nil:
		return t.denied[action]
	case t.unclear[action] != nil:
		return t.unclear[action]
	}
	return ErrUntried
}

// CreateSession is the permission for all requests to a directory bucket.
const CreateSession = "s3express:CreateSession"

// findAny returns nil if any request was allowed, otherwise a denial.
func (t *trace) findAny() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.allowed) > 0 {
		return nil
	}
	for _, err := range t.denied {
		return err
	}
	return ErrUntried
}

// An action is a permission that an FS needs.
type action struct {
	name     string
	optional bool
}

// actions returns the permissions that the FS needs as it is configured.
func (p *prober) actions() []action {
	all := []action{{"s3:ListBucket", false}, {"s3:GetObject", false}, {"s3:PutObject", false}, {"s3:DeleteObject", false}, {"s3:AbortMultipartUpload", false}}
	if len(p.attributes.Tags) > 0 {
		all = append(all, action{"s3:PutObjectTagging", false})
	}
	if p.attributes.ACL != "" {
		all = append(all, action{"s3:PutObjectAcl", false})
	}
	if strings.HasPrefix(p.attributes.SSE, "aws:kms") {
		all = append(all, action{"kms:GenerateDataKey", false}, action{"kms:Decrypt", false})
	}
	if p.resume > 0 {
		all = append(all, action{"s3:ListBucketMultipartUploads", true}, action{"s3:ListMultipartUploadParts", true})
	}
	return append(all, action{"s3:GetLifecycleConfiguration", true})
}

// permissions returns a finding for each permission that the FS needs, and for others that AWS names in a denial.
func (p *prober) permissions(ctx context.Context, limit time.Duration) (all []Finding) {
	if p.etag != "" {
		p.conclude()
	}
	if IsDirectoryBucket(p.bucket) {
		return []Finding{{Check: CheckPermission, Action: CreateSession, Required: true, Err: p.trace.findAny()}}
	}
	p.tryMissing(ctx, limit)
	for _, a := range p.actions() {
		all = append(all, Finding{Check: CheckPermission, Action: a.name, Required: !a.optional, Err: p.trace.find(a.name)})
	}
	for _, name := range slices.Sorted(maps.Keys(p.trace.denied)) { // such as the permission to read tags
		if !slices.ContainsFunc(all, func(f Finding) bool { return f.Action == name }) && p.trace.find(name) != nil {
			all = append(all, Finding{Check: CheckPermission, Action: name, Err: p.trace.find(name)})
		}
	}
	return all
}

// conclude notes the permissions of attributes: the first object was put with them.
func (p *prober) conclude() {
	p.trace.mu.Lock()
	defer p.trace.mu.Unlock()
	for _, name := range []string{"s3:PutObjectTagging", "s3:PutObjectAcl", "kms:GenerateDataKey"} {
		p.trace.allowed[name] = true
	}
	p.trace.allowed["kms:Decrypt"] = p.trace.allowed["s3:GetObject"]
}

// isolate puts objects with one kind of attributes each, to find the permission without which no object can be put with all of them.
func (p *prober) isolate(ctx context.Context) {
	a := p.attributes
	for _, try := range []struct {
		action string
		with   Attributes
		use    bool
	}{
		{"s3:PutObject", Attributes{}, true},
		{"s3:PutObjectTagging", Attributes{Tags: a.Tags}, len(a.Tags) > 0},
		{"s3:PutObjectAcl", Attributes{ACL: a.ACL}, a.ACL != ""},
		{"kms:GenerateDataKey", Attributes{SSE: a.SSE, KMSKey: a.KMSKey}, strings.HasPrefix(a.SSE, "aws:kms")},
	} {
		if !try.use {
			continue
		}
		with := try.with
		_, err := p.put(ctx, p.key+"-attributes", p.content, func(in *s3.PutObjectInput) {
			in.ACL, in.StorageClass, in.Tagging, in.ServerSideEncryption, in.SSEKMSKeyId = "", "", nil, "", nil
			with.applyToPut(in)
		})
		p.trace.record([]string{try.action}, err)
		if err != nil && try.action == "s3:PutObject" {
			return // nothing can be put
		}
	}
}

// tryMissing tries permissions that no request has shown yet, with requests about an object and an upload that do not exist: they change
// nothing.
func (p *prober) tryMissing(ctx context.Context, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	key, id := p.key+"-missing", aws.String("s3ftpd-check")
	for _, try := range []struct {
		action string
		send   func() error
	}{
		{"s3:ListBucketMultipartUploads", func() error {
			_, err := p.api.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &p.bucket, Prefix: &key}, noRetry)
			return err
		}},
		{"s3:GetObject", func() error {
			_, err := p.api.GetObject(ctx, &s3.GetObjectInput{Bucket: &p.bucket, Key: &key}, noRetry)
			return err
		}},
		{"s3:ListMultipartUploadParts", func() error {
			_, err := p.api.ListParts(ctx, &s3.ListPartsInput{Bucket: &p.bucket, Key: &key, UploadId: id}, noRetry)
			return err
		}},
		{"s3:AbortMultipartUpload", func() error {
			_, err := p.api.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &p.bucket, Key: &key, UploadId: id}, noRetry)
			return err
		}},
		{"s3:DeleteObject", func() error {
			_, err := p.api.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &p.bucket, Key: &key, IfMatch: aws.String(otherETag)}, noRetry)
			return err
		}},
	} {
		if errors.Is(p.trace.find(try.action), ErrUntried) {
			p.trace.exists(try.action, try.send())
		}
	}
	if p.etag == "" && p.trace.find("s3:ListBucket") != nil {
		p.trace.forget("s3:GetObject") // S3 denies access to a missing object then, whatever the permission
	}
}
