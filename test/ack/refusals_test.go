package ack

import "slices"

// refused judges a refusal without a fault. A missing file explains it, or a concurrent change by another client.
func (j *judge) refused(o *op) {
	if o.quiet || o.cut != noCut {
		return
	}
	switch {
	case o.verb == "MKD" || o.verb == "RMD" || directory(o.name), !o.isAllowed(), o.isHidden():
		return
	case o.code == 550 && (o.isUpload() && !o.mayReplace(o.name) || o.verb == "RNTO" && !o.mayReplace(o.to)):
		j.taken(o)
		return
	case o.code == 550 && slices.Contains([]string{"RETR", "PATCH", "DELE", "MFMT", "RNTO", "SIZE"}, o.verb):
		j.absent(o)
		return
	case o.code == 554 && o.offset > 0, j.disturbed(o, o.call) && !j.steadfast(o):
		return
	case o.took >= s3Timeout && o.code != 550:
		j.count("refused on a machine too busy to answer in time")
		return
	}
	j.w.violation("refused without a reason: %v\n%s", o, j.w.narrate(map[string]bool{o.name: true, o.to: true}))
}

// steadfast reports whether an upload must be acknowledged even if other clients change its name meanwhile. A small upload is one
// request. A long upload loses against a change after its initiation on AWS and on the embedded store; on other stores the last
// one wins, unless the change came so late that the upload could not be verified.
func (j *judge) steadfast(o *op) bool {
	switch {
	case !o.isUpload() || o.verb == "APPE" || o.verb == "PATCH" || o.offset > 0 || o.code == 450:
		return false
	case o.size < leastPart:
		return true
	}
	return j.w.profile.minio && !j.disturbed(o, o.ended)
}

// disturbed reports whether another operation may have changed the name after a time.
func (j *judge) disturbed(o *op, since int64) bool {
	return slices.ContainsFunc(j.w.history, func(p *op) bool {
		changes := p.isUpload() || slices.Contains([]string{"DELE", "RNTO", "MFMT"}, p.verb)
		same := p.touches(o.name) || o.touches(p.name) || o.to != "" && p.touches(o.to)
		return p != o && changes && same && (o.ret == 0 || p.call < o.ret) && (p.ret == 0 || p.ret > since)
	})
}
