package s3fs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// A Check is a property that an FS needs of its service.
type Check string

// The checks of [FS.Probe], in their order. All but the first two, CheckLifecycle, CheckLeft and CheckFeature need the
// object of CheckPut, and are skipped if that fails.
const (
	CheckBucket        Check = "the bucket answers"
	CheckPut           Check = "PutObject"
	CheckAttributes    Check = "the configured attributes are stored" // only if HeadObject can return one of them
	CheckRead          Check = "GetObject"
	CheckList          Check = "ListObjectsV2"
	CheckDamaged       Check = "damaged content is refused"
	CheckPutNew        Check = "PutObject with If-None-Match"
	CheckPutUnchanged  Check = "PutObject with If-Match"
	CheckCopy          Check = "CopyObject"
	CheckCopyNew       Check = "CopyObject with If-None-Match"
	CheckMultipart     Check = "multipart upload"
	CheckPartCopy      Check = "UploadPartCopy"
	CheckCompleteMatch Check = "CompleteMultipartUpload with conditions"
	CheckResume        Check = "resuming an upload" // only if uploads can be resumed
	CheckAbort         Check = "AbortMultipartUpload"
	CheckLifecycle     Check = "the bucket aborts incomplete uploads"
	CheckDeleteMatch   Check = "DeleteObject with If-Match"
	CheckDeleteMany    Check = "DeleteObjects"
	CheckDelete        Check = "DeleteObject"
	CheckClock         Check = "the clock agrees with S3's"      // only if S3 has told its time
	CheckPermission    Check = "a permission is granted"         // yielded for each permission that the FS needs
	CheckLeft          Check = "the probe's objects are removed" // yielded only if some are not
	CheckFeature       Check = "a feature is supported"          // yielded for each feature that the service refused
)

// A Finding is the result of a check.
type Finding struct {
	Check    Check
	Required bool   // the FS does not work without it
	Action   string // the AWS permissions that it needs; empty = none beyond those of other checks
	Err      error  // why the check failed; nil = it succeeded

	Checksum   string            // of CheckPut: the algorithm that the service accepts, see Config.Checksum
	Attributes []StoredAttribute // of CheckAttributes, also if they differ
	OtherETag  bool              // of CheckMultipart: HeadObject returns another ETag than CompleteMultipartUpload
	AbortDays  int               // of CheckLifecycle: the age at which the bucket aborts uploads
	Skew       time.Duration     // of CheckClock: how far this machine's clock is ahead
	Left       []LeftBehind      // of CheckLeft
	Refusal    Refusal           // of CheckFeature
}

// A StoredAttribute is an attribute of an object, as configured and as stored.
type StoredAttribute struct {
	Header           string // x-amz-storage-class, x-amz-server-side-encryption or x-amz-tagging-count
	Configured, Kept string
}

// Differs reports whether the attribute is not stored as configured.
func (a StoredAttribute) Differs() bool { return a.Kept != a.Configured }

// A LeftBehind is an object or a multipart upload that the probe could not remove.
type LeftBehind struct {
	Key      string
	UploadID string // empty = an object
}

// A probe runs a check.
type probe struct {
	check       Check
	optional    bool
	action      string
	needsObject bool // skipped unless CheckPut has put its object
	run         func(context.Context, *Finding) error
}

// Probe runs the checks and yields their results, and at the end the features that the service has refused. Each check may
// take limit.
//
// Probe writes small objects with random names below the prefix, and changes nothing else. It removes them at the end, even
// if ctx has ended or the caller has stopped the iteration; in a bucket with versioning, their versions stay. If the bucket
// does not answer or no object can be put, the checks that depend on it are skipped.
func (f *FS) Probe(ctx context.Context, limit time.Duration) iter.Seq[Finding] {
	return func(yield func(Finding) bool) {
		name := strings.ToLower(rand.Text())
		p := &prober{FS: f, key: f.prefix + "s3ftpd-check-" + name, content: []byte("a probe of s3ftpd check: " + name + "\n"),
			objects: make(map[string]bool), uploads: make(map[string]string), trace: newTrace()}
		more := p.runAll(context.WithValue(ctx, traceKey{}, p.trace), limit, yield)
		if left, err := p.cleanUp(ctx); err != nil && more {
			more = yield(Finding{Check: CheckLeft, Required: true, Err: err, Left: left})
		}
		for _, r := range f.client.Refusals() {
			more = more && yield(Finding{Check: CheckFeature, Err: r.Err, Refusal: r})
		}
	}
}

// A prober runs the checks of one Probe.
type prober struct {
	*FS
	key     string // of the object of CheckPut, and prefix of all other keys
	content []byte
	etag    string            // of the object of CheckPut; empty = it was not put
	objects map[string]bool   // keys of objects that may exist
	uploads map[string]string // keys of multipart uploads that may be open, by upload ID
	trace   *trace
}

// runAll runs all probes until yield returns false.
func (p *prober) runAll(ctx context.Context, limit time.Duration, yield func(Finding) bool) (more bool) {
	for i, check := range p.probes() {
		if check.needsObject && p.etag == "" {
			continue
		}
		finding := check.try(ctx, limit)
		if !yield(finding) {
			return false
		}
		if i > 0 {
			continue
		}
		if skew, ok := p.client.clock.aheadOfS3(); ok && !yield(Finding{Check: CheckClock, Skew: skew}) {
			return false
		}
		if finding.Err != nil && !errors.Is(finding.Err, fs.ErrPermission) {
			return true // other requests would fail for the same reason
		}
	}
	for _, finding := range p.permissions(ctx, limit) {
		if !yield(finding) {
			return false
		}
	}
	return true
}

// try runs the check once, within limit.
func (p *probe) try(ctx context.Context, limit time.Duration) Finding {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	finding := Finding{Check: p.check, Required: !p.optional, Action: p.action}
	finding.Err = p.run(limited, &finding)
	if finding.Err != nil && ctx.Err() == nil && limited.Err() != nil {
		finding.Err = fmt.Errorf("no answer within %v (%v)", limit, finding.Err) // the error of the canceled request alone would mislead
	}
	return finding
}

// probes returns the probes in their order.
func (p *prober) probes() []probe {
	all := []probe{
		{check: CheckBucket, action: "s3:ListBucket", run: p.checkBucket},
		{check: CheckPut, action: "s3:PutObject", run: p.checkPut},
	}
	if p.hasAttributes() {
		all = append(all, probe{check: CheckAttributes, optional: true, action: "s3:GetObject", needsObject: true, run: p.checkAttributes})
	}
	return slices.Concat(all, p.objectProbes(), p.multipartProbes(), []probe{
		{check: CheckLifecycle, optional: true, action: "s3:GetLifecycleConfiguration", run: p.checkLifecycle},
		{check: CheckDeleteMatch, optional: true, needsObject: true, run: p.checkDeleteMatch},
		{check: CheckDeleteMany, optional: true, action: "s3:DeleteObject", needsObject: true, run: p.checkDeleteMany},
		{check: CheckDelete, action: "s3:DeleteObject", needsObject: true, run: p.checkDelete},
	})
}

// objectProbes returns the checks with objects that are written in one request.
func (p *prober) objectProbes() []probe {
	return []probe{
		{check: CheckRead, action: "s3:GetObject", needsObject: true, run: p.checkRead},
		{check: CheckList, action: "s3:ListBucket", needsObject: true, run: p.checkList},
		{check: CheckDamaged, optional: true, needsObject: true, run: p.checkDamaged},
		{check: CheckPutNew, optional: true, needsObject: true, run: p.checkPutNew},
		{check: CheckPutUnchanged, optional: true, needsObject: true, run: p.checkPutUnchanged},
		{check: CheckCopy, action: "s3:PutObject and s3:GetObject", needsObject: true, run: p.checkCopy},
		{check: CheckCopyNew, optional: true, needsObject: true, run: p.checkCopyNew},
	}
}

// multipartProbes returns the checks with multipart uploads.
func (p *prober) multipartProbes() []probe {
	all := []probe{
		{check: CheckMultipart, action: "s3:PutObject", needsObject: true, run: p.checkMultipart},
		{check: CheckPartCopy, optional: true, action: "s3:PutObject and s3:GetObject", needsObject: true, run: p.checkPartCopy},
		{check: CheckCompleteMatch, optional: true, needsObject: true, run: p.checkCompleteMatch},
	}
	if p.resume > 0 {
		all = append(all, probe{check: CheckResume, optional: true, action: "s3:ListBucketMultipartUploads and s3:ListMultipartUploadParts",
			needsObject: true, run: p.checkResume})
	}
	return append(all, probe{check: CheckAbort, action: "s3:AbortMultipartUpload", needsObject: true, run: p.checkAbort})
}

// cleanUp removes all objects and uploads of the probe, even if ctx has ended. It returns those that it cannot remove.
func (p *prober) cleanUp(ctx context.Context) (left []LeftBehind, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelGrace)
	defer cancel()
	try := func(what LeftBehind, e error) {
		if e != nil {
			left, err = append(left, what), errors.Join(err, e)
		}
	}
	for id, key := range maps.Clone(p.uploads) {
		try(LeftBehind{key, id}, p.abortUpload(ctx, id))
	}
	for _, key := range slices.Sorted(maps.Keys(p.objects)) {
		try(LeftBehind{Key: key}, p.delete(ctx, key, "", nil))
	}
	return left, err
}

// abortUpload aborts an upload of the probe.
func (p *prober) abortUpload(ctx context.Context, id string) error {
	key := p.uploads[id]
	_, err := p.api.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &p.bucket, Key: &key, UploadId: &id})
	if err == nil || isNoSuchUpload(err) {
		delete(p.uploads, id)
		return nil
	}
	return err
}
