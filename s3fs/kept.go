package s3fs

import "slices"

// keep makes the memory one more user of a part: it keeps the part for drop, and frees it by itself when the memory is
// needed.
func (m *Memory) keep(p *part) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p.users = max(p.users, 1) + 1
	m.kept = append(m.kept, p)
}

// drop ends the keeping of a part, and reports whether it was still kept: then it is the caller's to free.
func (m *Memory) drop(p *part) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.Index(m.kept, p)
	if i < 0 {
		return false
	}
	m.kept = slices.Delete(m.kept, i, i+1)
	return true
}

// evict frees the part that nobody but the memory has used for longest, if there is one.
func (m *Memory) evict() bool {
	i := slices.IndexFunc(m.kept, func(p *part) bool { return p.users == 1 })
	if i < 0 {
		return false
	}
	m.leave(m.kept[i])
	m.kept = slices.Delete(m.kept, i, i+1)
	return true
}

// done counts a user of the part out; the last one's leave frees it.
func (m *Memory) done(p *part) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leave(p)
	m.wake()
}

func (m *Memory) leave(p *part) {
	if p.users--; p.users <= 0 {
		m.back(p.slabs)
		p.slabs = nil
	}
}

// keep keeps a part that is being sent, until enough has followed it.
func (u *upload) keep(p *part) {
	if !u.resumable || u.plan.uniform {
		return
	}
	if p.size >= minPart {
		u.forget()
	}
	u.memory.keep(p)
	u.kept = append(u.kept, p)
}

// forget ends the keeping.
func (u *upload) forget() { free(u.tail()) }

// tail returns the parts that were kept, which are then the caller's to free. If the memory of any of them was needed,
// there are none.
func (u *upload) tail() []*part {
	var tail []*part
	for _, p := range u.kept {
		if u.memory.drop(p) {
			tail = append(tail, p)
		}
	}
	if len(tail) < len(u.kept) {
		free(tail)
		tail = nil
	}
	u.kept = nil
	return tail
}

// free gives all memory back.
func (u *upload) free() {
	u.forget()
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
	all := &part{hash: noHash{}, sealed: true}
	for _, p := range parts {
		all.slabs = append(all.slabs, p.slabs...)
		all.size += p.size
	}
	return all
}
