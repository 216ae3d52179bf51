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

// A Check is one thing that an FS asks of its service.
type Check string

// The checks of [FS.Probe], in their order. All but the first two, CheckLifecycle, CheckLeft and CheckFeature are about the
// object that CheckPut puts, and are left out if there is none.
const (
	CheckBucket        Check = "the bucket answers"
	CheckPut           Check = "PutObject"
	CheckAttributes    Check = "the configured attributes are stored" // only where HeadObject can tell some of them
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
	CheckResume        Check = "resuming an upload" // only where uploads are resumed
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

// A Finding is what a check found. Which of the facts it has depends on the check.
type Finding struct {
	Check    Check
	Required bool   // the FS is of no use without it
	Action   string // the permission that it takes, as AWS calls it; empty = none of its own
	Err      error  // why the check failed; nil = it succeeded

	Checksum   string            // of CheckPut: which the service has taken, as Config.Checksum has it
	Attributes []StoredAttribute // of CheckAttributes, also if they differ
	OtherETag  bool              // of CheckMultipart: HeadObject shows another ETag than CompleteMultipartUpload
	AbortDays  int               // of CheckLifecycle: when an upload is aborted
	Skew       time.Duration     // of CheckClock: how far this machine's clock is ahead
	Left       []LeftBehind      // of CheckLeft
	Refusal    Refusal           // of CheckFeature
}

// A StoredAttribute is an attribute that is configured, and as it was stored.
type StoredAttribute struct {
	Header           string // x-amz-storage-class, x-amz-server-side-encryption or x-amz-tagging-count
	Configured, Kept string
}

// Differs reports whether the attribute was not stored as it is configured.
func (a StoredAttribute) Differs() bool { return a.Kept != a.Configured }

// A LeftBehind is an object or an upload that a probe could not remove.
type LeftBehind struct {
	Key      string
	UploadID string // empty = an object
}

// A probe is a question to the service.
type probe struct {
	check       Check
	optional    bool
	action      string
	needsObject bool // is about the object that was put before
	run         func(context.Context, *Finding) error
}

// Probe tries all that the FS asks of its service, and yields what it finds, one by one; each probe may take limit. It
// writes small objects of random names below the prefix, a key for each probe, removes them in the end whatever happened, even if
// ctx has ended, and touches nothing else. In a bucket with versions theirs stay. In the end it yields what the client worked round.
//
// When the bucket does not answer, or no object can be put, what depends on that is not tried.
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

// A prober tries out a service.
type prober struct {
	*FS
	key     string // of the object that is put first; the others' begin with it
	content []byte
	etag    string            // of that object; empty = it could not be put
	objects map[string]bool   // keys that may have objects
	uploads map[string]string // keys of uploads that may be open, by their IDs
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

// try runs the probe.
func (p *probe) try(ctx context.Context, limit time.Duration) Finding {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	finding := Finding{Check: p.check, Required: !p.optional, Action: p.action}
	finding.Err = p.run(limited, &finding)
	if finding.Err != nil && ctx.Err() == nil && limited.Err() != nil {
		finding.Err = fmt.Errorf("no answer within %v (%v)", limit, finding.Err) // whatever it was, there is no more to know
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

// objectProbes are about objects that are written by one request.
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

// multipartProbes are about objects that are uploaded in parts.
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

// cleanUp removes whatever may have been made, also where nobody waits any more, and returns what it cannot remove.
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
