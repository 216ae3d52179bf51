package s3fs

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
