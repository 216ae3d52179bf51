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

// broke ends an upload that is not published, because of err, which it returns. What S3 holds of it is left for being
// resumed, if that is possible, or else removed.
func (u *upload) broke(err error) error {
	u.fail(err)
	defer u.free()
	switch {
	case u.owner.lost(), gone(err):
		for u.inFlight > 0 { // another session has resumed it, so it is not ours any more to change
			u.settle()
		}
		u.awaitCopies()
	case errorCode(err) == "InvalidPart" && u.useless():
		u.abort()
	case u.resumable && !u.void && !errors.Is(err, fs.ErrExist) && !errors.Is(err, proxy.ErrDiscard):
		u.leave(err)
	default:
		u.abort()
	}
	return err
}

// leave leaves the multipart upload open, with all that was received of it as far as S3 takes it. Where err is that S3
// does not answer, nothing more is asked of it, for which the client would have to wait.
func (u *upload) leave(err error) {
	silent := unheard(err)
	for u.inFlight > 0 {
		u.settle()
	}
	if !u.owner.enter() {
		return
	}
	defer u.owner.leave()
	if u.id == "" && (silent || u.rest == nil || u.rest.size < minPart || u.create() != nil) {
		return
	}
	if u.leaseMissing(silent) || !silent && u.hidden() {
		u.abort()
		return
	}
	var unsaved error
	if !silent {
		unsaved = u.saveRest()
		if !u.listsUploads() { // nor its parts, as has turned out
			u.abort()
			return
		}
	}
	n, safe := 0, int64(0)
	for _, s := range u.sent {
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
	if u.resumed && !silent && !u.changed() {
		unsaved = cmp.Or(unsaved, u.renewLease(u.sent[:n]))
	}
	u.client.uploads.leave(u.place(u.key), u.id, u.lease)
	u.log.InfoContext(u.ctx, "a broken upload can be resumed", "key", u.key, "upload", u.id, "bytes", safe, "err", unsaved)
}

// leaseMissing reports whether the upload has no lease, without which it cannot be resumed. Unless S3 is silent, it writes one that
// has failed once more.
func (u *upload) leaseMissing(silent bool) bool {
	err := u.awaitLease()
	if err != nil && !silent {
		u.writeOpenLease()
		err = u.awaitLease()
	}
	if err != nil {
		u.log.WarnContext(u.ctx, "a broken upload cannot be resumed", "key", u.key, "upload", u.id, "err", err)
	}
	return err != nil
}

// hidden reports whether nobody could find the multipart upload again, which shows when all to the key are listed.
func (u *upload) hidden() bool {
	u.openUploads(u.sending, u.key)
	return !u.listsUploads()
}

// saveRest sends what broke off, or ended but for its last byte: as a part where it is long enough, else once more with
// the part before it, under the same number.
func (u *upload) saveRest() error {
	i, p := len(u.sent), u.rest
	switch {
	case slices.ContainsFunc(u.sent, func(s sent) bool { return s.etag == nil }):
		return nil // there is a gap before it
	case u.plan.uniform && (p == nil || p.size != u.plan.base):
		return nil
	case p != nil && p.size >= minPart:
		if u.changed() {
			return nil
		}
	default:
		tail := u.reclaim()
		if len(tail) == 0 || p == nil && (len(tail) == 1 || tail[1].size == 1) || u.changed() {
			free(tail)
			return nil
		}
		i -= len(tail)
		if p != nil {
			tail = append(tail, p)
			u.rest = nil
		}
		defer free(tail)
		if p = join(tail); u.all {
			p.cut() // see last
		}
	}
	etag, sum, err := u.sendPart(u.number(i), p)
	if err == nil {
		u.sent = append(u.sent[:i], sent{size: p.size, etag: etag, sum: sum})
	}
	return err
}

// useless reports whether S3 has not got the beginning of the multipart upload, nor anything that was not sent here: so
// nobody can resume it.
func (u *upload) useless() bool {
	u.awaitLease()
	parts, err := u.listParts(u.sending, u.key, u.id)
	l, parts := u.splitLease(parts)
	foreign := func(p types.Part) bool {
		i := int(aws.ToInt32(p.PartNumber)) - 1
		return i < 0 || i >= len(u.sent) || !sameETag(unquote(p.ETag), unquote(u.sent[i].etag))
	}
	begins := len(parts) > 0 && aws.ToInt32(parts[0].PartNumber) == 1
	return err == nil && (l == nil || u.lease.is(l)) && !begins && !slices.ContainsFunc(parts, foreign)
}

// changed reports whether S3 has another lease, or other parts in place of those that were sent here: then another session
// has resumed the upload. What else it has may be left from before.
func (u *upload) changed() bool {
	if len(u.sent) == 0 {
		return false
	}
	parts, err := u.listParts(u.sending, u.key, u.id)
	l, parts := u.splitLease(parts)
	there := make(map[int32]string)
	for _, p := range parts {
		there[aws.ToInt32(p.PartNumber)] = unquote(p.ETag)
	}
	for i, s := range u.sent {
		if s.etag != nil && !sameETag(there[u.number(i)], unquote(s.etag)) {
			return true
		}
	}
	return err != nil || !u.lease.is(l)
}
