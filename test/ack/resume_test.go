package ack

import (
	"math/rand/v2"
	"slices"
)

// atOnce judges an operation by itself.
func (w *world) atOnce(o *op) {
	if o.isUpload() && o.acknowledged() && !o.whole {
		w.violation("an upload was acknowledged that was not sent to its good end: %v", o)
	}
}

// resume resumes the interrupted uploads of the round for names without an object. The reply to SIZE must be a possible size of
// one of them, and REST and STOR must complete it.
func (w *world) resume() {
	seen := map[string]bool{}
	for _, o := range w.history {
		if !o.isUpload() || o.sent+o.offset < leastPart || o.name == "" || seen[o.name] || w.state[o.name].there {
			continue
		}
		seen[o.name] = true
		changed := w.mayHaveLost(o.name)
		if resumed := w.resumeOne(o.name); resumed.acknowledged() {
			w.judgeResumed(resumed)
			continue
		}
		if again := w.resumeOne(o.name); changed && again.acknowledged() {
			w.counts["broken uploads lost to a change of their name"]++
			w.judgeResumed(again)
			continue
		}
		w.violation("a broken upload cannot be resumed where SIZE says that it stands\n%s", w.narrate(map[string]bool{o.name: true}))
	}
}

// mayHaveLost reports whether a name was changed after a broken upload to it had begun. To AWS and the embedded store, the change is
// the later one, and its completion publishes nothing.
func (w *world) mayHaveLost(name string) bool {
	j := w.newJudge(&group{}, map[string]value{}, relaxation{})
	return !w.profile.minio && slices.ContainsFunc(w.history, func(o *op) bool {
		return o.isUpload() && !o.acknowledged() && o.sent+o.offset >= leastPart && o.touches(name) && j.disturbed(o, o.call)
	})
}

// resumeOne resumes an interrupted upload, and returns the operation.
func (w *world) resumeOne(name string) *op {
	rng := rand.New(rand.NewPCG(w.seed, uint64(w.nextOp)))
	c := w.newClient(rng.IntN(clients))
	w.nextOp++
	o := &op{id: w.nextOp, verb: "STOR", name: name, size: 2 * block, rest: 1000, held: newEvent(), mid: newEvent(), done: newEvent()}
	o.sftp, o.packet, o.flight = rng.IntN(2) == 0, block, 2
	c.run(o)
	c.quit()
	w.history = append(w.history, o)
	w.procs[c.proc].settle()
	<-w.maker.quiet()
	return o
}

// judgeResumed judges an acknowledged operation that resumed an upload.
func (w *world) judgeResumed(o *op) {
	name, names := o.name, map[string]bool{o.name: true}
	held := w.readOne(name)
	w.state[name] = held
	got := contentOf(held.content)
	j := w.newJudge(&group{names: []string{name}}, map[string]value{}, relaxation{})
	last := piece{o.id, o.size, 0}
	switch {
	case len(got) == 0 || got[len(got)-1] != last || got.size() != o.offset+o.size:
		w.violation("the bucket holds %v after %v\n%s", held, o, w.narrate(names))
	case o.offset > 0 && !j.isBroken(got[:len(got)-1], name):
		w.violation("%v was resumed from what no broken upload had: %v\n%s", o, held, w.narrate(names))
	case o.offset == 0:
		w.missing(o)
	default:
		w.counts["broken uploads resumed"]++
	}
}

// missing reports an upload that cannot be resumed although only its client failed. It is the last upload of its name.
func (w *world) missing(resumed *op) {
	var last *op
	for _, o := range w.history {
		if o != resumed && o.touches(resumed.name) && (last == nil || o.call > last.call) {
			last = o
		}
	}
	j := w.newJudge(&group{}, map[string]value{}, relaxation{})
	keeps := slices.Contains([]cut{killControl, killData, hangUp, closeChannel}, last.cut) && last.verb == "STOR" && last.offset == 0 && last.sent >= leastPart+block
	if keeps && !j.troubles(last).any && !j.disturbed(last, last.call) {
		w.violation("nothing was kept of a broken upload: %v", last)
	}
}
