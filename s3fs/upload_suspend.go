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

// suspendOrAbort ends an upload that is not published, because of err, which it returns. What S3 holds of it is left for being
// resumed, if that is possible, or else removed.
func (u *upload) suspendOrAbort(err error) error {
	u.fail(err)
	defer u.resuming.freeAll()
	switch {
	case u.resuming.owner.isLost(), isNoSuchUpload(err):
		for u.sending.inFlight > 0 { // another session has resumed it, so it is not ours any more to change
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

// suspend leaves the multipart upload open, with all that was received of it as far as S3 takes it. Where err is that S3
// does not answer, nothing more is asked of it, for which the client would have to wait.
func (u *upload) suspend(err error) {
	silent := unheard(err)
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
	var unsaved error
	if !silent {
		unsaved = u.sendUnsent()
		if !u.fs.listsUploads() { // nor its parts, as has turned out
			u.abort()
			return
		}
	}
	n, safe := 0, int64(0)
	for _, s := range u.sending.parts {
		if s.etag == nil || s.size < minPart {
			break
		}
		n++
		safe += s.size
	}
	if safe == 0 {
		u.abort()
		return
	}
	if u.resuming.resumed && !silent && !u.isTakenOver() {
		unsaved = cmp.Or(unsaved, u.renewLease(u.sending.parts[:n]))
	}
	u.fs.client.uploads.addSuspended(u.fs.bucketKey(u.key), u.sending.id, u.resuming.lease)
	u.fs.log.InfoContext(u.ctx, "a broken upload can be resumed", "key", u.key, "upload", u.sending.id, "bytes", safe, "err", unsaved)
}

// lacksLease reports whether the upload has no lease, without which it cannot be resumed. Unless S3 is silent, it writes one that
// has failed once more.
func (u *upload) lacksLease(silent bool) bool {
	err := u.resuming.awaitLease()
	if err != nil && !silent {
		u.writeOpenLease()
		err = u.resuming.awaitLease()
	}
	if err != nil {
		u.fs.log.WarnContext(u.ctx, "a broken upload cannot be resumed", "key", u.key, "upload", u.sending.id, "err", err)
	}
	return err != nil
}

// isUnlisted reports whether nobody could find the multipart upload again, which shows when all to the key are listed.
func (u *upload) isUnlisted() bool {
	u.fs.listUploadsTo(u.sending.ctx, u.key)
	return !u.fs.listsUploads()
}

// sendUnsent sends what broke off, or ended but for its last byte: as a part where it is long enough, else once more with
// the part before it, under the same number.
func (u *upload) sendUnsent() error {
	i, p := len(u.sending.parts), u.resuming.unsent
	switch {
	case slices.ContainsFunc(u.sending.parts, func(s sentPart) bool { return s.etag == nil }):
		return nil // there is a gap before it
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
			p.cutLastByte() // see last
		}
	}
	etag, sum, err := u.sendPart(u.sending.partNumber(i), p)
	if err == nil {
		u.sending.parts = append(u.sending.parts[:i], sentPart{size: p.size, etag: etag, sum: sum})
	}
	return err
}

// hasNothingToResume reports whether S3 has not got the beginning of the multipart upload, nor anything that was not sent here: so
// nobody can resume it.
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

// isTakenOver reports whether S3 has another lease, or other parts in place of those that were sent here: then another session
// has resumed the upload. What else it has may be left from before.
func (u *upload) isTakenOver() bool {
	if len(u.sending.parts) == 0 {
		return false
	}
	parts, err := u.fs.listParts(u.sending.ctx, u.key, u.sending.id)
	l, parts := u.fs.splitLease(parts)
	there := make(map[int32]string)
	for _, p := range parts {
		there[aws.ToInt32(p.PartNumber)] = unquote(p.ETag)
	}
	for i, s := range u.sending.parts {
		if s.etag != nil && !sameETag(there[u.sending.partNumber(i)], unquote(s.etag)) {
			return true
		}
	}
	return err != nil || !u.resuming.lease.matches(l)
}

// resuming is the part of an upload that outlives it if it fails: what can be resumed from.
type resuming struct {
	resumable      bool                  // what S3 has is left for that, if the upload fails
	resumed        bool                  // a failed one that was left
	owner          ownership             // of the multipart upload
	lease          lease                 // the last one that this upload has written
	openLease      func() (lease, error) // waits for the open lease; nil = none is being written
	retained       []*part               // the last ones sent, until the bytes that follow are enough for a part
	unsent         *part                 // what follows, if it broke off
	allReceived    bool                  // as it should
	contentRefused bool                  // by S3, which would do so again
	endFinishing   func()                // says that the upload has ended, if it has been said that it is about to
}

// retain retains a part that is being sent until enough has followed it. If the upload breaks before that, the part
// is sent once more, together with the bytes that follow it.
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

// releaseRetained ends the retention of parts that are not needed any more.
func (r *resuming) releaseRetained() { freeParts(r.reclaim()) }

// reclaim ends the retention and returns the parts, which the caller must free. If any of them was evicted, it
// returns none.
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

func freeParts(parts []*part) {
	for _, p := range parts {
		p.free()
	}
}

// joinParts returns the parts as one, which is only to be read, and for as long as they are.
func joinParts(parts []*part) *part {
	all := &part{hash: noHash{}}
	for _, p := range parts {
		all.buffers = append(all.buffers, p.buffers...)
		all.size += p.size
	}
	return all
}
