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
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// A Finding is what was found out about one thing that an FS asks of its service.
type Finding struct {
	Text   string // a clause such as "an object can be put", or "an object cannot be put"
	Detail string // what else there is to say; may be empty
	Err    error  // why it is not as it should be; nil = it is
	Lost   string // what goes without it; empty = the FS is not of use without it
	Action string // the permission that it takes, as AWS calls it; empty = none of its own
}

// A probe is a question to the service.
type probe struct {
	yes, no  string
	lost     string
	action   string
	onObject bool // is about the object that was put before
	run      func(context.Context) (detail string, err error)
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
			made: make(map[string]bool), open: make(map[string]string)}
		more := p.probe(ctx, limit, yield)
		if left, err := p.cleanUp(ctx); err != nil && more {
			more = yield(Finding{Text: "left behind, and to be removed by hand: " + strings.Join(left, ", "), Err: err})
		}
		for _, r := range f.client.Refusals() {
			more = more && yield(r.finding())
		}
	}
}

// finding says what the client does without a feature that the service refused, and which option helps.
func (r Refusal) finding() Finding {
	instead := r.Feature.Instead()
	if option := r.Feature.Option(); option != "" {
		instead += "; what helps: " + option
	}
	text := "not supported: " + string(r.Feature)
	if r.Scope != "" {
		text += " (" + r.Scope + ")"
	}
	return Finding{Text: text, Err: r.Err, Lost: instead}
}

// A prober tries out a service.
type prober struct {
	*FS
	key     string // of the object that is put first; the others' begin with it
	content []byte
	etag    string            // of that object; empty = it could not be put
	made    map[string]bool   // keys that may have objects
	open    map[string]string // keys of uploads that may be open, by their IDs
}

// probe asks all questions, until nobody wants to hear more.
func (p *prober) probe(ctx context.Context, limit time.Duration, yield func(Finding) bool) (goOn bool) {
	for i, q := range p.probes() {
		if q.onObject && p.etag == "" {
			continue
		}
		found := q.ask(ctx, limit)
		if !yield(found) {
			return false
		}
		if i == 0 && found.Err != nil && !errors.Is(found.Err, fs.ErrPermission) {
			break // whatever is asked next would be answered alike
		}
	}
	return true
}

// ask runs the probe.
func (q *probe) ask(ctx context.Context, limit time.Duration) Finding {
	asking, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	detail, err := q.run(asking)
	if err != nil && ctx.Err() == nil && asking.Err() != nil {
		err = fmt.Errorf("no answer within %v (%v)", limit, err) // whatever it was, there is no more to know
	}
	if err != nil {
		return Finding{Text: q.no, Err: err, Lost: q.lost, Action: q.action}
	}
	return Finding{Text: q.yes, Detail: detail, Lost: q.lost, Action: q.action}
}

// probes returns the questions in their order.
func (p *prober) probes() []probe {
	all := []probe{
		{yes: "the bucket answers", no: "the bucket does not answer", action: "s3:ListBucket", run: p.answers},
		{yes: "an object can be put", no: "an object cannot be put, and what needs one is not tried", action: "s3:PutObject", run: p.putFirst},
	}
	if p.hasAttributes() {
		all = append(all, probe{yes: "it has the attributes that are configured", no: "it lacks attributes that are configured", onObject: true,
			run: p.attributesKept, lost: "files are stored without them: check --storage-class, --sse and --tags", action: "s3:GetObject"})
	}
	return slices.Concat(all, p.objectProbes(), p.multipartProbes(), []probe{
		{yes: "the bucket aborts multipart uploads that are never completed", no: "the bucket is not known to abort multipart uploads that are never completed",
			lost:   "their parts stay, unseen and billed: give the bucket a lifecycle rule with AbortIncompleteMultipartUpload, unless the service does that by itself",
			action: "s3:GetLifecycleConfiguration", run: p.lifecycle},
		{yes: "a deletion with If-Match spares what was replaced", no: "a deletion with If-Match does not spare what was replaced", onObject: true,
			run: p.conditionalDelete, lost: "a rename may delete what another writes to the old name at the same moment"},
		{yes: "objects can be deleted, many at once", no: "many objects cannot be deleted at once", action: "s3:DeleteObject",
			lost: "files that were renamed with their directory stay under the old name too", onObject: true, run: p.deletedTogether},
		{yes: "an object can be deleted", no: "an object cannot be deleted", action: "s3:DeleteObject", onObject: true, run: p.deleted},
	})
}

// objectProbes are about objects that are written by one request.
func (p *prober) objectProbes() []probe {
	return []probe{
		{yes: "it can be read, and is what was put", no: "it cannot be read", action: "s3:GetObject", onObject: true, run: p.readBack},
		{yes: "it is listed", no: "it is not listed", action: "s3:ListBucket", onObject: true, run: p.listed},
		{yes: "content that was damaged on its way is refused", no: "content that was damaged on its way is not refused",
			lost: "what S3 gets is not verified: try another --checksum", onObject: true, run: p.damaged},
		{yes: "STOU: If-None-Match holds when an object is put", no: "STOU: If-None-Match does not hold when an object is put",
			lost: "STOU may replace a file that appears at the same moment", onObject: true, run: p.putNew},
		{yes: "APPE: If-Match holds when an object is put", no: "APPE: If-Match does not hold when an object is put",
			lost: "APPE may replace what another writes at the same moment", onObject: true, run: p.putUnchanged},
		{yes: "an object can be copied", no: "an object cannot be copied", action: "s3:PutObject and s3:GetObject", onObject: true, run: p.copied},
		{yes: "RNTO: If-None-Match holds when an object is copied", no: "RNTO: If-None-Match does not hold when an object is copied",
			lost: "RNTO of a directory may replace a file that appears at the new name at the same moment", onObject: true, run: p.copiedNew},
	}
}

// multipartProbes are about objects that are uploaded in parts.
func (p *prober) multipartProbes() []probe {
	all := []probe{
		{yes: "an object can be uploaded in parts, and HEAD shows it", no: "an object cannot be uploaded in parts", action: "s3:PutObject", onObject: true, run: p.inParts},
		{yes: "a part can be copied from an object", no: "a part cannot be copied from an object", onObject: true, run: p.partCopied,
			lost: "nothing can be appended to files of 5 MiB and more, and files over 5 GiB cannot be renamed", action: "s3:PutObject and s3:GetObject"},
		{yes: "If-None-Match and If-Match hold when a multipart upload is completed", no: "conditions do not hold when a multipart upload is completed",
			lost: "STOU and APPE may replace what another writes at the same moment", onObject: true, run: p.conditionalComplete},
	}
	if p.resume > 0 {
		all = append(all, probe{yes: "an upload that breaks can be resumed", no: "an upload that breaks cannot be resumed", onObject: true, run: p.resumed,
			lost: "clients begin such uploads again: --resume 0 saves the requests", action: "s3:ListBucketMultipartUploads and s3:ListMultipartUploadParts"})
	}
	return append(all, probe{yes: "a multipart upload can be aborted", no: "a multipart upload cannot be aborted", action: "s3:AbortMultipartUpload",
		onObject: true, run: p.aborted})
}

// cleanUp removes whatever may have been made, also where nobody waits any more, and returns what it cannot remove.
func (p *prober) cleanUp(ctx context.Context) (left []string, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanup)
	defer cancel()
	try := func(what string, e error) {
		if e != nil {
			left, err = append(left, what), errors.Join(err, e)
		}
	}
	for id, key := range maps.Clone(p.open) {
		try(fmt.Sprintf("the upload %s of %q", id, key), p.giveUp(ctx, id))
	}
	for _, key := range slices.Sorted(maps.Keys(p.made)) {
		try(strconv.Quote(key), p.delete(ctx, key, "", nil))
	}
	return left, err
}

// giveUp ends an upload.
func (p *prober) giveUp(ctx context.Context, id string) error {
	key := p.open[id]
	_, err := p.api.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &p.bucket, Key: &key, UploadId: &id})
	if err == nil || gone(err) {
		delete(p.open, id)
		return nil
	}
	return err
}
