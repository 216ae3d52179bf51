package ack

import (
	"fmt"
	"slices"
	"strings"
)

// This file models the possible results of each operation.

// troubles are events during an operation that can explain a refusal.
type troubles struct {
	any    bool // S3 failed, or a process was killed
	hidden bool // S3 may have executed a request without confirming it
}

func (j *judge) troubles(o *op) (t troubles) {
	down := j.w.wentDown(o)
	t.any, t.hidden = down, down
	for _, h := range j.w.maker.happened(o) {
		t.any = t.any || !h.kind.holds()
		t.hidden = t.hidden || h.kind.hides()
	}
	return t
}

// add adds the steps of an operation.
func (j *judge) add(o *op) {
	t := j.troubles(o)
	if o.acknowledged() && !o.isAllowed() {
		j.w.violation("acknowledged to a user without the permission: %v", o)
	}
	if o.code >= 400 && !t.any {
		j.refused(o)
	}
	switch {
	case o.isUpload():
		j.upload(o, t)
	case o.verb == "RETR" && o.acknowledged() && o.cut == noCut:
		j.download(o)
	case o.verb == "DELE":
		j.deletion(o, t)
	case o.verb == "MFMT":
		j.change(o, t, true, func(s state) []state {
			v := s[j.index[o.name]]
			if !v.there {
				return nil
			}
			v.mtime = o.id
			return s.set(j.index[o.name], v)
		})
	case o.verb == "RNTO" && directory(o.name):
		j.renameDir(o, t)
	case o.verb == "RNTO":
		j.rename(o, t)
	case o.verb == "RMD" && o.acknowledged():
		j.step(o, "removal of an empty directory", true, func(s state) []state {
			if slices.ContainsFunc(j.below(o.name), func(name string) bool { return s[j.index[name]].there }) {
				return nil
			}
			return []state{s}
		})
	case o.verb == "SIZE" && o.acknowledged():
		j.size(o)
	}
}

// below returns the names in a directory.
func (j *judge) below(dir string) (names []string) {
	for _, name := range j.names {
		if strings.HasPrefix(name, dir+"/") {
			names = append(names, name)
		}
	}
	return names
}

// change adds the step of an operation that changes one name. It must happen if it was acknowledged, and may happen if the result
// is unknown. A request is retried if its answer was lost, and may be executed twice if repeated.
func (j *judge) change(o *op, t troubles, repeated bool, do func(state) []state) {
	switch {
	case o.acknowledged():
		first := j.step(o, o.verb, true, do)
		if t.hidden && repeated {
			j.step(o, o.verb+", obeyed again", false, do, first)
		}
	case o.lost(), t.hidden:
		j.step(o, o.verb, false, do)
	}
}

// deletion adds the steps of DELE. MinIO ignores If-Match on deletions: one that is repeated, because S3 was killed before its answer,
// may delete what another process has stored meanwhile.
func (j *judge) deletion(o *op, t troubles) {
	effect := j.deleted(o, t)
	if !o.acknowledged() || !j.relaxed.deletion || !j.meets(o, o.name) {
		j.change(o, t, false, effect)
		return
	}
	first := j.step(o, o.verb, true, effect)
	j.step(o, o.verb+", obeyed again", false, effect, first)
}

// deleted is the effect of DELE. A missing file cannot be deleted, unless an earlier try of the same deletion was not confirmed, or
// another process deletes it at the same time: both have found it, and the later one finds it gone, as it wanted.
func (j *judge) deleted(o *op, t troubles) func(state) []state {
	i := j.index[o.name]
	broken := slices.ContainsFunc(j.w.history, func(p *op) bool { return p.isUpload() && p.name == o.name && p.size >= leastPart })
	return func(s state) []state {
		switch earlier := j.byID[s[i].deleted]; {
		case s[i].there:
			return s.set(i, value{deleted: o.id})
		case broken, t.any, earlier != nil && o.overlaps(earlier): // a broken upload counts as a file
			return []state{s}
		}
		return nil
	}
}

const leastPart = 5 << 20

// absent adds the step that a name was found to be free.
func (j *judge) absent(o *op) {
	j.step(o, "finding no "+o.name, true, func(s state) []state {
		if s[j.index[o.name]].there {
			return nil
		}
		return []state{s}
	})
}

func (j *judge) download(o *op) {
	i := j.index[o.name]
	if o.garbled != nil {
		j.w.violation("a download that was acknowledged is a mixture: %v\n%s", o.garbled, j.w.narrate(map[string]bool{o.name: true}))
		return
	}
	known := map[string]digest{}
	j.step(o, "RETR", true, func(s state) []state {
		if !s[i].there {
			return nil
		}
		d, ok := known[s[i].content]
		if !ok {
			d = contentOf(s[i].content).from(o.offset)
			known[s[i].content] = d
		}
		if d != o.got {
			return nil
		}
		return []state{s}
	})
}

// size adds the step of a SIZE: it returns the size of the file or, without a file, that of a resumable upload.
func (j *judge) size(o *op) {
	var n int64
	fmt.Sscan(o.text, &n)
	i := j.index[o.name]
	broken := slices.ContainsFunc(j.w.history, func(p *op) bool {
		resumable := p.isUpload() && p.name == o.name && (o.mayReplace(o.name) || p.by() == o.by())
		return resumable && p.offset+p.sent >= n && n >= leastPart && o.ret > p.call
	})
	j.step(o, "SIZE", true, func(s state) []state {
		if s[i].there && contentOf(s[i].content).size() == n || !s[i].there && broken {
			return []state{s}
		}
		return nil
	})
}

// upload adds the steps of STOR, APPE, PATCH and STOU.
func (j *judge) upload(o *op, t troubles) {
	if o.name == "" {
		return
	}
	all := o.sent == o.size
	do := j.ifAllowed(o, o.name, j.stores(o, o.size))
	ends := []cut{noCut, killData, killControl, resetControl, leave, quit}
	stored := o.verb == "STOR" && o.offset == 0
	switch {
	case o.acknowledged():
		first := j.step(o, o.verb, true, do)
		if t.hidden && stored {
			j.step(o, o.verb+", obeyed again", false, do, first)
		}
	case o.lost() && all && slices.Contains(ends, o.cut), o.code >= 400 && all && o.whole && (t.hidden || j.overtaken(o)):
		j.step(o, o.verb, false, do)
	case o.late:
		j.count("clients killed too slowly to be told from others")
		j.step(o, "a truncated upload", false, j.ifAllowed(o, o.name, j.stores(o, o.sent)))
	}
}

// stores is the effect of an upload that publishes that many bytes.
func (j *judge) stores(o *op, n int64) func(state) []state {
	own := piece{o.id, n, 0}
	switch {
	case o.verb == "PATCH":
		return j.patched(o, own)
	case o.verb == "APPE":
		return j.appended(o, own)
	case o.offset > 0:
		return j.continued(o, own)
	}
	return func(s state) []state {
		return s.set(j.index[o.name], value{content: content{}.then(own).String(), there: true})
	}
}

// overtaken reports whether a long upload may have been refused because it was overwritten before it could be verified.
func (j *judge) overtaken(o *op) bool { return o.size > leastPart && j.disturbed(o, o.call) }

func (j *judge) appended(o *op, own piece) func(state) []state {
	i := j.index[o.name]
	return func(s state) []state {
		v := value{there: true}
		if s[i].there {
			v.content = contentOf(s[i].content).then(own).String()
		} else {
			v.content = content{}.then(own).String()
		}
		return s.set(i, v)
	}
}

// continued is the effect of REST and STOR, which continue a file or a resumable upload.
func (j *judge) continued(o *op, own piece) func(state) []state {
	i := j.index[o.name]
	var resumed []string
	for _, c := range j.seen {
		for k := range c {
			if c[k] == own && c[:k].size() == o.offset && j.isBroken(c[:k], o.name) && j.mayContinue(o, c[:k]) {
				resumed = append(resumed, c[:k+1].String())
			}
		}
	}
	slices.Sort(resumed)
	resumed = slices.Compact(resumed)
	large := o.offset >= leastPart
	return func(s state) (next []state) {
		if c := contentOf(s[i].content); s[i].there && c.size() >= o.offset {
			next = append(next, s.set(i, value{content: c.first(o.offset).then(own).String(), there: true})...)
		}
		for _, c := range resumed {
			next = append(next, s.set(i, value{content: c, there: true})...)
		}
		if len(next) == 0 && large { // of a resumable upload with a result that was not read
			next = s.set(i, value{content: fmt.Sprintf("unseen %d", o.id), there: true})
		}
		return next
	}
}

// isBroken reports whether a content can be that of an upload to the name, or of one that resumed it, when it was interrupted.
func (j *judge) isBroken(c content, name string) bool {
	size := int64(0)
	for _, p := range c {
		o := j.byID[p.op]
		if o == nil || !o.isUpload() || o.name != name || o.offset != size || p.size > o.sent {
			return false
		}
		size += p.size
	}
	return size >= leastPart
}

// rename adds the steps of renaming a file: it is read, copied and deleted.
func (j *judge) rename(o *op, t troubles) {
	from, to, slot := j.index[o.name], j.index[o.to], j.slot()
	must := o.acknowledged()
	if !must && !o.lost() && !t.any {
		return
	}
	read := j.step(o, "reading of the source", must, func(s state) []state {
		if !s[from].there {
			return nil
		}
		return s.set(slot, s[from])
	})
	copied := j.ifAllowed(o, o.to, func(s state) []state { return s.set(to, s[slot]) })
	write := j.step(o, "copy", must, copied, read)
	if t.hidden {
		j.step(o, "copy, obeyed again", false, copied, write)
	}
	careless := j.relaxed.deletion && j.meets(o, o.name)
	j.step(o, "deletion of the source", must, func(s state) []state { return deleteCopied(s, from, s[slot], careless) }, write)
}

// deleteCopied deletes a source if it is still the version that was copied; a careless one may delete another version.
func deleteCopied(s state, from int, copied value, careless bool) []state {
	if copied.there && s[from].there && s[from].content == copied.content {
		return s.set(from, value{})
	}
	if careless && s[from].there {
		return append(s.set(from, value{}), s)
	}
	return []state{s}
}

// The states of a file in a directory that is renamed.
const (
	nothing = "nothing to copy"
	written = "written"
	undone  = "undone"
	deleted = "deleted"
)

// renameDir adds the steps of renaming a directory: each file is read and copied to a free name, and deleted when all are copied.
// If it fails, the copies are deleted.
func (j *judge) renameDir(o *op, t troubles) {
	must := o.acknowledged()
	var phases, writes []int
	type file struct{ from, to, slot, phase int }
	var all []file
	for _, name := range j.below(o.name) {
		f := file{j.index[name], j.index[o.to+strings.TrimPrefix(name, o.name)], j.slot(), j.slot()}
		all, phases = append(all, f), append(phases, f.phase)
	}
	for _, f := range all {
		unlisted := j.relaxed.listing && j.isRewritten(o, j.names[f.from])
		read := j.step(o, "reading of "+j.names[f.from], must, func(s state) []state {
			missed := s.set(f.phase, value{content: nothing})
			switch {
			case !s[f.from].there:
				return missed
			case unlisted:
				return append(missed, s.set(f.slot, s[f.from])...)
			}
			return s.set(f.slot, s[f.from])
		})
		replaces := j.relaxed.copy && j.meets(o, j.names[f.to])
		write := j.step(o, "copy of "+j.names[f.from], must, func(s state) []state { return copyTo(s, f.to, f.slot, f.phase, replaces) }, read)
		writes = append(writes, write)
		if !must {
			j.step(o, "removal of the copy of "+j.names[f.from], false, func(s state) []state {
				if s[f.phase].content != written || slices.ContainsFunc(phases, func(p int) bool { return s[p].content == deleted }) {
					return nil
				}
				if s[f.to].there && s[f.to].content == s[f.slot].content {
					s = s.set(f.to, value{})[0]
				}
				return s.set(f.phase, value{content: undone})
			}, write)
		}
	}
	if !must && !o.lost() && !t.any {
		j.pending = append(j.pending, phases...)
		return
	}
	for _, f := range all {
		after := writes
		if !must {
			after = nil // decided by the steps that have happened, see below
		}
		careless := j.relaxed.deletion && j.meets(o, j.names[f.from])
		j.step(o, "deletion of "+j.names[f.from], must, func(s state) []state {
			for _, p := range phases {
				if s[p].content != nothing && s[p].content != written && s[p].content != deleted {
					return nil
				}
			}
			if s[f.phase].content == nothing {
				return []state{s}
			}
			return deleteCopied(s.set(f.phase, value{content: deleted})[0], f.from, s[f.slot], careless)
		}, after...)
	}
}

// isRewritten reports whether the time of a file is set during an operation.
func (j *judge) isRewritten(o *op, name string) bool {
	return slices.ContainsFunc(j.w.history, func(p *op) bool {
		return p.verb == "MFMT" && p.name == name && (o.ret == 0 || p.call < o.ret) && (p.ret == 0 || p.ret > o.call)
	})
}

// copyTo copies the file of a slot to a free name, or to any name if it replaces.
func copyTo(s state, to, slot, phase int, replaces bool) []state {
	if s[phase].content == nothing {
		return []state{s}
	}
	if s[to].there && !replaces {
		return nil
	}
	s = s.set(to, s[slot])[0]
	return s.set(phase, value{content: written})
}
