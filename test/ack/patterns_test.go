package ack

import (
	"maps"
	"slices"
	"time"
)

func sorted(m map[string]int) []string { return slices.Sorted(maps.Keys(m)) }

// patterns are operations of a few clients that are likely to conflict. The judge checks them like any other operations.
var patterns = map[string]func(p *planner){
	"kill": killPattern, "notify": notifyPattern, "abort": abortPattern, "pin": pinPattern, "fence": fencePattern,
	"copies": copiesPattern, "early": earlyPattern, "order": orderPattern, "directory": directoryPattern, "source": sourcePattern,
	"mfmt": mfmtPattern, "refused late": refusedLatePattern, "deleted": deletedPattern, "swap": swapPattern, "resume": resumePattern,
	"appends": appendsPattern, "quit": quitPattern,
	"new names": newNamesPattern, "move": movePattern, "foreign resume": foreignResumePattern, "rights": rightsPattern,
	"lost": lostPattern, "failed write": failedWritePattern, "patch": patchPattern, "scp": scpPattern,
}

// cutUpload adds an upload that is interrupted, and an operation that reads the result.
func (p *planner) cutUpload(client int, c cut, size int64) { p.cutBy(client, false, c, size) }

func (p *planner) cutBy(client int, sftp bool, c cut, size int64) {
	name := p.fresh("f")
	if p.IntN(2) == 0 {
		p.add(client, &op{verb: "STOR", name: name, size: p.small()})
	}
	p.add(client, &op{sftp: sftp, verb: "STOR", name: name, size: size, cut: c, cutAt: p.Int64N(1000)})
	p.add(client, &op{verb: "RETR", name: name})
}

// killPattern: the client of an upload is killed.
func killPattern(p *planner) {
	p.cutUpload(p.clear(), pick(p, []cut{killData, killControl}), block*(2+p.Int64N(1<<12)))
}

// notifyPattern: the data connection of an upload ends without close_notify.
func notifyPattern(p *planner) { p.cutUpload(p.secure(), noNotify, block*(2+p.Int64N(1<<14))) }

// abortPattern: an upload is aborted, and then its data connection ends.
func abortPattern(p *planner) { p.cutUpload(p.IntN(clients), abort, block*(2+p.Int64N(1<<14))) }

// lostPattern: the connection or channel of an upload is lost before CLOSE.
func lostPattern(p *planner) {
	p.cutBy(p.IntN(clients), true, pick(p, []cut{killSFTP, hangUp, closeChannel}), block*(2+p.Int64N(1<<14)))
}

// failedWritePattern: a client sends CLOSE although a WRITE has failed, by its own fault or by that of S3.
func failedWritePattern(p *planner) {
	a := p.IntN(clients)
	if p.IntN(4) > 0 {
		p.cutBy(a, true, badWrite, block*(2+p.Int64N(1<<12)))
		return
	}
	write := p.add(a, &op{sftp: true, verb: "STOR", name: p.fresh("r"), size: p.large() + leastPart})
	part := fault(write, "UploadPart", write.name, denied, 9)
	part.part = 1
}

// pinPattern: a file is replaced by one of the same size while S3 breaks off a download of it.
func pinPattern(p *planner) {
	a, b := p.apart()
	name, size := p.fresh("f"), block*(1000+p.Int64N(1<<12))
	p.add(a, &op{verb: "STOR", name: name, size: size})
	read := p.add(a, &op{verb: "RETR", name: name, rest: pick(p, []int64{0, 1, 100})}) // a whole file is compared with its checksum too
	fault(read, "GetObject", name, broken, 1)
	again := fault(read, "GetObject", name, hold, 1)
	write := p.add(b, &op{verb: "STOR", name: name, size: size, before: gate{again.hit, read.done}})
	again.gate = gate{write.done}
}

// fencePattern: an upload is resumed while the session that began it still runs and goes on sending.
func fencePattern(p *planner) {
	a, b := p.apart()
	if p.IntN(3) == 0 {
		a, b = p.together()
	}
	name := p.fresh("r")
	first := p.add(a, &op{verb: "STOR", name: name, size: 12 << 20, at: 600, quiet: true})
	begun := fault(first, "UploadPart", name, holdAnswer, 1)
	begun.part, begun.gate = 1, gate{first.mid}
	second := p.add(b, &op{verb: "STOR", name: name, size: 8 << 20, rest: 1000, at: 700, before: gate{begun.over, first.done}, quiet: true})
	part := fault(second, "UploadPart", name, holdAnswer, 1)
	part.part, part.gate = 2, gate{first.mid}
	complete := fault(first, "CompleteMultipartUpload", name, hold, 1)
	complete.gate = gate{second.done}
	first.pause = gate{part.over, second.done}
	second.pause = gate{complete.hit, first.done}
}

// copiesPattern: one file of a directory cannot be copied.
func copiesPattern(p *planner) {
	a := p.IntN(clients)
	from, to := p.fresh("d"), p.fresh("d")+"t"
	for _, name := range []string{"x", "y", "z"} {
		p.add(a, &op{verb: "STOR", name: from + "/" + name, size: p.small()})
	}
	rename := p.add(a, &op{verb: "RNTO", name: from, to: to})
	fault(rename, "CopyObject", from+"/"+pick(p, []string{"x", "y", "z"}), pick(p, []kind{denied, deniedIn200}), 9)
}

// earlyPattern: S3 takes its time to store a file, or does not store it at all.
func earlyPattern(p *planner) {
	a := p.IntN(clients)
	name := p.fresh("f")
	write := p.add(a, &op{verb: "STOR", name: name, size: p.small() + block})
	slow := fault(write, "PutObject", name, pick(p, []kind{hold, hold, denied}), 9)
	slow.gate, slow.limit = gate{newEvent()}, 200*time.Millisecond
	p.add(a, &op{verb: "RETR", name: name})
}

// orderPattern: an upload of some parts, of which the first takes the longest.
func orderPattern(p *planner) {
	a := p.IntN(clients)
	name := p.fresh("r")
	write := p.add(a, &op{verb: "STOR", name: name, size: 11<<20 + block*p.Int64N(1<<16)})
	part := fault(write, "UploadPart", name, hold, 1)
	part.part, part.gate, part.limit = 1, gate{newEvent()}, 200*time.Millisecond
}

// directoryPattern: a file is stored where a directory is just being renamed to.
func directoryPattern(p *planner) {
	a, b := p.apart()
	from, to := p.fresh("d"), p.fresh("d")+"t"
	p.add(a, &op{verb: "STOR", name: from + "/x", size: p.small()})
	rename := p.add(a, &op{verb: "RNTO", name: from, to: to, quiet: true})
	copied := fault(rename, "CopyObject", from+"/x", hold, 1)
	write := p.add(b, &op{verb: "STOR", name: to + "/x", size: p.small() + block, before: gate{copied.hit, rename.done}})
	copied.gate = gate{write.done}
}

// sourcePattern: a file is stored under a name that is just being renamed.
func sourcePattern(p *planner) {
	a, b := p.apart()
	from, to := p.fresh("f"), p.fresh("f")+"t"
	p.add(a, &op{verb: "STOR", name: from, size: p.small()})
	rename := p.add(a, &op{verb: "RNTO", name: from, to: to})
	held := fault(rename, pick(p, []string{"CopyObject", "DeleteObject", "DeleteObject"}), from, pick(p, []kind{hold, hold, holdAnswer}), 1)
	write := p.add(b, &op{verb: "STOR", name: from, size: p.small() + block, before: gate{held.hit, rename.done}})
	held.gate = gate{write.done}
}

// mfmtPattern: a file is replaced while the old one is copied onto itself with another time.
func mfmtPattern(p *planner) {
	a, b := p.apart()
	name := p.fresh("f")
	p.add(a, &op{verb: "STOR", name: name, size: p.small()})
	set := p.add(a, &op{verb: "MFMT", name: name})
	k := slowCopy
	if p.w.profile.minio {
		k = hold
	}
	copied := fault(set, "CopyObject", name, k, 1)
	write := p.add(b, &op{verb: "STOR", name: name, size: p.small() + block, before: gate{copied.hit, set.done}})
	copied.gate = gate{write.done}
}

// refusedLatePattern: S3 answers 200, and then finds an error.
func refusedLatePattern(p *planner) {
	a := p.IntN(clients)
	name := p.fresh("r")
	if p.IntN(2) == 0 {
		write := p.add(a, &op{verb: "STOR", name: name, size: p.large()})
		fault(write, "CompleteMultipartUpload", name, deniedIn200, 9)
		return
	}
	p.add(a, &op{verb: "STOR", name: name, size: p.small()})
	rename := p.add(a, &op{verb: "RNTO", name: name, to: name + "t"})
	fault(rename, "CopyObject", name, deniedIn200, 9)
}

// deletedPattern: a file is deleted, or renamed, or overwritten, while a long upload of the same name runs.
func deletedPattern(p *planner) {
	a, b := p.together()
	name := p.fresh("r")
	p.add(a, &op{verb: "STOR", name: name, size: p.small()})
	write := p.add(a, &op{verb: "STOR", name: name, size: 6 << 20, at: 900})
	change := &op{verb: "DELE", name: name, before: gate{write.mid}}
	switch p.IntN(3) {
	case 0:
		change.verb, change.to = "RNTO", name+"t"
	case 1:
		change.verb, change.size = "STOR", p.small()
	}
	p.add(b, change)
	write.pause = gate{change.done}
}

// swapPattern: the source of one rename is the target of another.
func swapPattern(p *planner) {
	a, b := p.together()
	if p.IntN(2) == 0 {
		a, b = p.apart()
	}
	name := p.fresh("f")
	for _, end := range []string{"a", "c"} {
		p.add(a, &op{verb: "STOR", name: name + end, size: p.small()})
	}
	first := p.add(a, &op{verb: "RNTO", name: name + "a", to: name + "b"})
	held := fault(first, "DeleteObject", name+"a", hold, 1)
	second := p.add(b, &op{verb: "RNTO", name: name + "c", to: name + "a", before: gate{held.hit, first.done}})
	held.gate = gate{second.done}
}

// resumePattern: a long upload breaks, and is resumed.
func resumePattern(p *planner) {
	a, b := p.apart()
	name := p.fresh("r")
	broken := p.add(a, &op{verb: "STOR", name: name, size: p.large() + leastPart, cutAt: 500 + p.Int64N(500)})
	broken.cut = pick(p, []cut{killData, killControl, resetData, abort})
	switch {
	case broken.sftp:
		broken.cut = pick(p, []cut{killSFTP, hangUp, closeChannel, halfWrite, resetData})
	case isSecure(a, p.round) && broken.cut == killData:
		broken.cut = killControl
	}
	p.add(b, &op{verb: "SIZE", name: name, before: gate{broken.done}})
	p.add(b, &op{verb: "STOR", name: name, size: p.small() + block, rest: 1000})
}

// appendsPattern: two clients append to a name that is free.
func appendsPattern(p *planner) {
	a, b := p.apart()
	name := p.fresh("f")
	first := p.add(a, &op{verb: "APPE", name: name, size: p.small() + block, at: 500})
	second := p.add(b, &op{verb: "APPE", name: name, size: p.small() + block, before: gate{first.mid}})
	first.pause = gate{second.done}
}

// quitPattern: a client sends QUIT behind its data, and is gone.
func quitPattern(p *planner) {
	p.add(p.IntN(clients), &op{verb: "STOR", name: p.fresh("f"), size: p.small() + block, cut: quit})
}
