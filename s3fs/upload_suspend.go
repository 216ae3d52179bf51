package s3fs

import (
	"cmp"
	"errors"
	"io/fs"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// suspendOrAbort ends an upload that is not published, because of err, which it returns. It leaves the multipart
// upload open if that can be resumed, and otherwise aborts it.
func (u *upload) suspendOrAbort(err error) error {
	u.fail(err)
	defer u.resuming.freeAll()
	switch {
	case u.resuming.owner.isLost(), isNoSuchUpload(err):
		for u.sending.inFlight > 0 { // another session owns it now: change nothing
			u.awaitPart()
		}
		u.awaitCopies()
	case errorCode(err) == "InvalidPart" && u.hasNothingToResume():
		u.abort()
	case u.resuming.resumable && !u.resuming.contentRefused && !errors.Is(err, fs.ErrExist) && !errors.Is(err, proxy.ErrDiscard):
		u.suspend(err)
	default:
		u.abort()
	}
	return err
}

// suspend leaves the multipart upload open for resuming, with all of the content that S3 accepts. If err is that S3
// does not answer, it sends no more requests, which the client would have to wait for.
func (u *upload) suspend(err error) {
	silent := isUnanswered(err)
	for u.sending.inFlight > 0 {
		u.awaitPart()
	}
	if !u.resuming.owner.beginRequest() {
		return
	}
	defer u.resuming.owner.endRequest()
	if u.sending.id == "" && (silent || u.resuming.unsent == nil || u.resuming.unsent.size < minPart || u.createMultipart() != nil) {
		return
	}
	if u.lacksLease(silent) || !silent && u.isUnlisted() {
		u.abort()
		return
	}
	var unsent error
	if !silent {
		unsent = u.sendUnsent()
		if !u.fs.listsUploads() { // ListParts was refused
			u.abort()
			return
		}
	}
	n, resumable := 0, int64(0)
	for _, s := range u.sending.parts {
		if s.etag == nil || s.size < minPart {
			break
		}
		n++
		resumable += s.size
	}
	if resumable == 0 {
		u.abort()
		return
	}
	if u.resuming.resumed && !silent && !u.isTakenOver() {
		unsent = cmp.Or(unsent, u.renewLease(u.sending.parts[:n]))
	}
	u.fs.client.uploads.addSuspended(u.fs.bucketKey(u.key), u.sending.id, u.resuming.lease)
	u.fs.log.InfoContext(u.ctx, "upload suspended, can be resumed", "key", u.key, "upload", u.sending.id, "bytes", resumable, "err", unsent)
}

// lacksLease reports whether the upload has no lease part, and so cannot be resumed. If writing it has failed, it is
// tried once more, unless S3 is silent.
func (u *upload) lacksLease(silent bool) bool {
	err := u.resuming.awaitLease()
	if err != nil && !silent {
		u.writeOpenLease()
		err = u.resuming.awaitLease()
	}
	if err != nil {
		u.fs.log.WarnContext(u.ctx, "upload cannot be resumed, lease not written", "key", u.key, "upload", u.sending.id, "err", err)
	}
	return err != nil
}

// isUnlisted reports whether the service refuses to list multipart uploads, so that no process could find this one
// again.
func (u *upload) isUnlisted() bool {
	u.fs.listUploadsTo(u.sending.ctx, u.key)
	return !u.fs.listsUploads()
}

// sendUnsent sends the content that was received but not sent. If that is too short for a part, it is sent together
// with the retained parts before it, under the number of the first of them. If all of the content was received, the
// last byte is left out, see sendLast.
func (u *upload) sendUnsent() error {
	i, p := len(u.sending.parts), u.resuming.unsent
	switch {
	case slices.ContainsFunc(u.sending.parts, func(s sentPart) bool { return s.etag == nil }):
		return nil // a part before it is missing
	case u.receiving.plan.uniform && (p == nil || p.size != u.receiving.plan.minSize):
		return nil
	case p != nil && p.size >= minPart:
		if u.isTakenOver() {
			return nil
		}
	default:
		tail := u.resuming.reclaim()
		if len(tail) == 0 || p == nil && (len(tail) == 1 || tail[1].size == 1) || u.isTakenOver() {
			freeParts(tail)
			return nil
		}
		i -= len(tail)
		if p != nil {
			tail = append(tail, p)
			u.resuming.unsent = nil
		}
		defer freeParts(tail)
		if p = joinParts(tail); u.resuming.allReceived {
			p.cutLastByte() // see sendLast
		}
	}
	etag, sum, err := u.sendPart(u.sending.partNumber(i), p)
	if err == nil {
		u.sending.parts = append(u.sending.parts[:i], sentPart{size: p.size, etag: etag, sum: sum})
	}
	return err
}

// hasNothingToResume reports whether S3 lacks the first part, and has no part that this upload has not sent, so that
// no session can resume it.
func (u *upload) hasNothingToResume() bool {
	u.resuming.awaitLease()
	parts, err := u.fs.listParts(u.sending.ctx, u.key, u.sending.id)
	l, parts := u.fs.splitLease(parts)
	foreign := func(p types.Part) bool {
		i := int(aws.ToInt32(p.PartNumber)) - 1
		return i < 0 || i >= len(u.sending.parts) || !sameETag(unquote(p.ETag), unquote(u.sending.parts[i].etag))
	}
	begins := len(parts) > 0 && aws.ToInt32(parts[0].PartNumber) == 1
	return err == nil && (l == nil || u.resuming.lease.matches(l)) && !begins && !slices.ContainsFunc(parts, foreign)
}

// isTakenOver reports whether another session has resumed the upload: S3 has another lease, or other parts under the
// numbers that this upload has sent. It is true if S3 cannot list the parts. Parts under other numbers may be old.
func (u *upload) isTakenOver() bool {
	if len(u.sending.parts) == 0 {
		return false
	}
	parts, err := u.fs.listParts(u.sending.ctx, u.key, u.sending.id)
	l, parts := u.fs.splitLease(parts)
	etags := make(map[int32]string)
	for _, p := range parts {
		etags[aws.ToInt32(p.PartNumber)] = unquote(p.ETag)
	}
	for i, s := range u.sending.parts {
		if s.etag != nil && !sameETag(etags[u.sending.partNumber(i)], unquote(s.etag)) {
			return true
		}
	}
	return err != nil || !u.resuming.lease.matches(l)
}

// resuming is the state of an upload that is needed to resume it after a failure, and to share it with other
// sessions.
type resuming struct {
	resumable      bool                  // suspend the upload if it fails
	resumed        bool                  // this upload resumes another one
	started        func(upload string)   // Write.Started; nil = none
	owner          ownership             // of the multipart upload
	lease          lease                 // last one that this upload has written
	openLease      func() (lease, error) // waits until the open lease is written; nil = none is being written
	retained       []*part               // last parts sent, until the bytes after them are enough for a part
	unsent         *part                 // received but not sent when the upload failed
	allReceived    bool                  // the source has ended with io.EOF
	contentRefused bool                  // by S3, which would refuse it again
	endFinishing   func()                // set by markFinishing
}

// retain retains a part that is being sent until minPart bytes have followed it. If the upload is interrupted before
// that, the part is sent again, together with the bytes after it.
func (u *upload) retain(p *part) {
	if !u.resuming.resumable || u.receiving.plan.uniform {
		return
	}
	if p.size >= minPart {
		u.resuming.releaseRetained()
	}
	p.retained = p.claim.Retain(&p.buffers)
	u.resuming.retained = append(u.resuming.retained, p)
}

// releaseRetained releases the retained parts.
func (r *resuming) releaseRetained() { freeParts(r.reclaim()) }

// reclaim returns the retained parts, which the caller must free. It returns none if any of them was evicted.
func (r *resuming) reclaim() []*part {
	var parts []*part
	for _, p := range r.retained {
		if p.retained.Reclaim() {
			parts = append(parts, p)
		}
	}
	if len(parts) < len(r.retained) {
		freeParts(parts)
		parts = nil
	}
	r.retained = nil
	return parts
}

// freeAll returns all memory to the budget.
func (r *resuming) freeAll() {
	r.releaseRetained()
	if r.unsent != nil {
		r.unsent.free()
		r.unsent = nil
	}
}

// freeParts frees all parts.
func freeParts(parts []*part) {
	for _, p := range parts {
		p.free()
	}
}

// joinParts returns the parts as one that shares their memory. It must only be read, and not after they are freed.
func joinParts(parts []*part) *part {
	all := &part{hash: noHash{}}
	for _, p := range parts {
		all.buffers = append(all.buffers, p.buffers...)
		all.size += p.size
	}
	return all
}

// markFinishing notes that no more content will be received.
func (u *upload) markFinishing() {
	if u.resuming.endFinishing == nil {
		u.resuming.endFinishing = u.fs.client.uploads.startFinishing(u.fs.bucketKey(u.key))
	}
}
