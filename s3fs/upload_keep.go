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

// keepOrAbort ends an upload that is not published, because of err, which it returns. What S3 holds of it is left for being
// resumed, if that is possible, or else removed.
func (u *upload) keepOrAbort(err error) error {
	u.fail(err)
	defer u.resuming.free()
	switch {
	case u.resuming.owner.lost(), isNoSuchUpload(err):
		for u.sending.inFlight > 0 { // another session has resumed it, so it is not ours any more to change
			u.settle()
		}
		u.awaitCopies()
	case errorCode(err) == "InvalidPart" && u.useless():
		u.abort()
	case u.resuming.resumable && !u.resuming.contentRefused && !errors.Is(err, fs.ErrExist) && !errors.Is(err, proxy.ErrDiscard):
		u.leaveResumable(err)
	default:
		u.abort()
	}
	return err
}

// leaveResumable leaves the multipart upload open, with all that was received of it as far as S3 takes it. Where err is that S3
// does not answer, nothing more is asked of it, for which the client would have to wait.
func (u *upload) leaveResumable(err error) {
	silent := unheard(err)
	for u.sending.inFlight > 0 {
		u.settle()
	}
	if !u.resuming.owner.enter() {
		return
	}
	defer u.resuming.owner.leave()
	if u.sending.id == "" && (silent || u.resuming.rest == nil || u.resuming.rest.size < minPart || u.create() != nil) {
		return
	}
	if u.leaseMissing(silent) || !silent && u.unlisted() {
		u.abort()
		return
	}
	var unsaved error
	if !silent {
		unsaved = u.saveRest()
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
	if u.resuming.resumed && !silent && !u.changed() {
		unsaved = cmp.Or(unsaved, u.renewLease(u.sending.parts[:n]))
	}
	u.fs.client.uploads.leave(u.fs.place(u.key), u.sending.id, u.resuming.lease)
	u.fs.log.InfoContext(u.ctx, "a broken upload can be resumed", "key", u.key, "upload", u.sending.id, "bytes", safe, "err", unsaved)
}

// leaseMissing reports whether the upload has no lease, without which it cannot be resumed. Unless S3 is silent, it writes one that
// has failed once more.
func (u *upload) leaseMissing(silent bool) bool {
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

// unlisted reports whether nobody could find the multipart upload again, which shows when all to the key are listed.
func (u *upload) unlisted() bool {
	u.fs.openUploads(u.sending.ctx, u.key)
	return !u.fs.listsUploads()
}

// saveRest sends what broke off, or ended but for its last byte: as a part where it is long enough, else once more with
// the part before it, under the same number.
func (u *upload) saveRest() error {
	i, p := len(u.sending.parts), u.resuming.rest
	switch {
	case slices.ContainsFunc(u.sending.parts, func(s sentPart) bool { return s.etag == nil }):
		return nil // there is a gap before it
	case u.receiving.plan.uniform && (p == nil || p.size != u.receiving.plan.base):
		return nil
	case p != nil && p.size >= minPart:
		if u.changed() {
			return nil
		}
	default:
		tail := u.resuming.reclaim()
		if len(tail) == 0 || p == nil && (len(tail) == 1 || tail[1].size == 1) || u.changed() {
			free(tail)
			return nil
		}
		i -= len(tail)
		if p != nil {
			tail = append(tail, p)
			u.resuming.rest = nil
		}
		defer free(tail)
		if p = join(tail); u.resuming.dataEnded {
			p.cut() // see last
		}
	}
	etag, sum, err := u.sendPart(u.sending.number(i), p)
	if err == nil {
		u.sending.parts = append(u.sending.parts[:i], sentPart{size: p.size, etag: etag, sum: sum})
	}
	return err
}

// useless reports whether S3 has not got the beginning of the multipart upload, nor anything that was not sent here: so
// nobody can resume it.
func (u *upload) useless() bool {
	u.resuming.awaitLease()
	parts, err := u.fs.listParts(u.sending.ctx, u.key, u.sending.id)
	l, parts := u.fs.splitLease(parts)
	foreign := func(p types.Part) bool {
		i := int(aws.ToInt32(p.PartNumber)) - 1
		return i < 0 || i >= len(u.sending.parts) || !sameETag(unquote(p.ETag), unquote(u.sending.parts[i].etag))
	}
	begins := len(parts) > 0 && aws.ToInt32(parts[0].PartNumber) == 1
	return err == nil && (l == nil || u.resuming.lease.is(l)) && !begins && !slices.ContainsFunc(parts, foreign)
}

// changed reports whether S3 has another lease, or other parts in place of those that were sent here: then another session
// has resumed the upload. What else it has may be left from before.
func (u *upload) changed() bool {
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
		if s.etag != nil && !sameETag(there[u.sending.number(i)], unquote(s.etag)) {
			return true
		}
	}
	return err != nil || !u.resuming.lease.is(l)
}

// resuming is the part of an upload that outlives it if it fails: what can be resumed from.
type resuming struct {
	resumable      bool                  // what S3 has is left for that, if the upload fails
	resumed        bool                  // a failed one that was left
	owner          owner                 // of the multipart upload
	lease          lease                 // the last one that this upload has written
	leasing        func() (lease, error) // waits for the open lease; nil = none is being written
	retained       []*part               // the last ones sent, until the bytes that follow are enough for a part
	rest           *part                 // what follows, if it broke off
	dataEnded      bool                  // as it should
	contentRefused bool                  // by S3, which would do so again
	finished       func()                // says that the upload has ended, if it has been said that it is about to
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
func (r *resuming) releaseRetained() { free(r.reclaim()) }

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
		free(parts)
		parts = nil
	}
	r.retained = nil
	return parts
}

// free returns all memory to the budget.
func (r *resuming) free() {
	r.releaseRetained()
	if r.rest != nil {
		r.rest.free()
		r.rest = nil
	}
}

func free(parts []*part) {
	for _, p := range parts {
		p.free()
	}
}

// join returns the parts as one, which is only to be read, and for as long as they are.
func join(parts []*part) *part {
	all := &part{hash: noHash{}}
	for _, p := range parts {
		all.buffers = append(all.buffers, p.buffers...)
		all.size += p.size
	}
	return all
}
