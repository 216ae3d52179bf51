package s3fs

// retain retains a part that is being sent until enough has followed it. If the upload breaks before that, the part
// is sent once more, together with the bytes that follow it.
func (u *upload) retain(p *part) {
	if !u.resumable || u.plan.uniform {
		return
	}
	if p.size >= minPart {
		u.releaseRetained()
	}
	p.retained = p.claim.Retain(&p.buffers)
	u.retained = append(u.retained, p)
}

// releaseRetained ends the retention of parts that are not needed any more.
func (u *upload) releaseRetained() { free(u.reclaim()) }

// reclaim ends the retention and returns the parts, which the caller must free. If any of them was evicted, it
// returns none.
func (u *upload) reclaim() []*part {
	var parts []*part
	for _, p := range u.retained {
		if p.retained.Reclaim() {
			parts = append(parts, p)
		}
	}
	if len(parts) < len(u.retained) {
		free(parts)
		parts = nil
	}
	u.retained = nil
	return parts
}

// free returns all memory to the budget.
func (u *upload) free() {
	u.releaseRetained()
	if u.rest != nil {
		u.rest.free()
		u.rest = nil
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
