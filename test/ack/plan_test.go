package ack

import (
	"fmt"
	"math/rand/v2"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

// A profile is a kind of store, the number of s3ftpd processes, and the weights of operations.
type profile struct {
	name      string
	minio     bool
	processes int
	options   []string       // of s3ftpd
	perRound  int            // operations, about
	patterns  map[string]int // weights; "" = single operations
	verbs     map[string]int // weights of single operations
	sftp      int            // operations in a hundred that use SFTP, of those that can
	cuts      int            // single uploads in a hundred that are cut
	faults    int            // single operations in a hundred that meet a fault of S3
	kills     int            // rounds in a hundred in which a process is killed
}

// clients is the number of clients in a round.
const clients = 5

// files are the names shared by all clients of all rounds.
var (
	files    = []string{"f0", "f1", "f2", "d0/x", "d0/y", "d1/x"}
	dirs     = []string{"d0", "d1", "d2"}
	allVerbs = map[string]int{"STOR": 30, "APPE": 8, "REST": 8, "PATCH": 6, "RETR": 20, "DELE": 7, "RNTO": 8, "RNTO directory": 3, "MFMT": 6,
		"MKD": 2, "RMD": 2, "STOU": 3, "SIZE": 4}
	allPatterns = map[string]int{"": 90, "scp": 1, "kill": 2, "notify": 2, "abort": 2, "pin": 2, "fence": 1, "copies": 1, "early": 1, "order": 1,
		"directory": 2, "source": 2, "mfmt": 2, "refused late": 1, "deleted": 1, "swap": 2, "resume": 1, "appends": 1, "quit": 1,
		"new names": 2, "move": 2, "foreign resume": 1, "rights": 2, "lost": 2, "failed write": 2, "patch": 2}
)

func mixed(name string, minio bool, processes int) profile {
	return profile{name: name, minio: minio, processes: processes, perRound: 80, patterns: allPatterns, verbs: allVerbs, sftp: 50, cuts: 25, faults: 6, kills: 10}
}

var profiles = map[string]profile{
	"embedded":   mixed("embedded", false, 1),
	"embedded-2": mixed("embedded-2", false, 2),
	"minio":      mixed("minio", true, 1),
	"minio-2":    mixed("minio-2", true, 2),
}

// only returns a profile of patterns alone, for one kind of fault.
func only(store string, patterns ...string) profile {
	p := profiles[store]
	p.name = store
	p.patterns = map[string]int{}
	for _, name := range patterns {
		p.patterns[name] = 1
	}
	p.perRound, p.kills = 40, 0
	return p
}

// A planner makes the operations of a round.
type planner struct {
	*rand.Rand
	w      *world
	round  int
	queues [clients][]*op
	count  int
}

// plan makes the operations of a round, the same ones for the same seed.
func (w *world) plan(round int) [clients][]*op {
	p := &planner{Rand: rand.New(rand.NewPCG(w.seed, uint64(round))), w: w, round: round}
	for p.count < w.profile.perRound {
		if name := p.choose(w.profile.patterns); name != "" {
			patterns[name](p)
		} else {
			p.single()
		}
	}
	if p.IntN(100) < w.profile.kills {
		p.killSomething()
	}
	return p.queues
}

// choose returns one of the keys, by weight.
func (p *planner) choose(weights map[string]int) string {
	sum := 0
	for _, n := range weights {
		sum += n
	}
	n := p.IntN(sum)
	for _, key := range sorted(weights) {
		if n -= weights[key]; n < 0 {
			return key
		}
	}
	panic("unreachable")
}

func pick[T any](p *planner, from []T) T { return from[p.IntN(len(from))] }

// add appends an operation of a client.
func (p *planner) add(client int, o *op) *op {
	p.w.nextOp++
	p.count++
	o.id, o.round, o.client = p.w.nextOp, p.round, client
	o.active = p.IntN(4) == 0
	o.sftp = o.sftp || p.IntN(100) < p.w.profile.sftp && o.verb != "STOU" && !o.cut.isFTP()
	o.packet, o.flight = pick(p, []int64{8 << 10, 32 << 10, 32 << 10, harness.SFTPMaxData}), 1+p.IntN(16)
	o.held, o.mid, o.done = newEvent(), newEvent(), newEvent()
	if o.verb != "STOR" && o.verb != "RETR" && o.verb != "PATCH" || o.rest == 0 {
		o.rest = none
	}
	p.queues[client] = append(p.queues[client], o)
	return o
}

// fault makes a fault of S3 for an operation.
func fault(o *op, operation, key string, k kind, times int) *arm {
	a := &arm{op: operation, key: key, kind: k, times: times, hit: newEvent(), over: newEvent()}
	o.faults = append(o.faults, a)
	return a
}

// fresh returns an unused name.
func (p *planner) fresh(first string) string {
	return fmt.Sprintf("%s%dx%d", first, p.round, p.w.nextOp)
}

// few returns different clients.
func (p *planner) few(n int) []int { return p.Perm(clients)[:n] }

// apart returns two clients, of different processes if possible.
func (p *planner) apart() (a, b int) {
	for {
		two := p.few(2)
		if n := p.w.profile.processes; n == 1 || two[0]%n != two[1]%n {
			return two[0], two[1]
		}
	}
}

// together returns two clients of one process.
func (p *planner) together() (a, b int) {
	for {
		two := p.few(2)
		if n := p.w.profile.processes; two[0]%n == two[1]%n {
			return two[0], two[1]
		}
	}
}

// isSecure reports whether a client uses TLS in a round.
func isSecure(client, round int) bool { return (client+round)%3 == 0 }

// secure returns a client that uses TLS, clear one that does not.
func (p *planner) secure() int { return p.oneOf(true) }
func (p *planner) clear() int  { return p.oneOf(false) }

func (p *planner) oneOf(secure bool) int {
	for {
		if c := p.IntN(clients); isSecure(c, p.round) == secure {
			return c
		}
	}
}

// small returns a size below that of a part, large one of two or three parts.
func (p *planner) small() int64 {
	switch n := p.IntN(20); {
	case n == 0:
		return 0
	case n < 16:
		return block * (1 + p.Int64N(1<<12))
	}
	return block * (1 + p.Int64N(1<<15))
}

func (p *planner) large() int64 { return leastPart + block*(1+p.Int64N(7<<16)) }

// single adds one operation.
func (p *planner) single() {
	client := p.IntN(clients)
	name := pick(p, files)
	o := &op{verb: p.choose(p.w.profile.verbs), name: name, size: p.small()}
	switch o.verb {
	case "APPE", "REST":
		o.size += block
		if o.verb == "REST" {
			o.verb, o.rest = "STOR", 1+p.Int64N(1000)
		}
	case "STOR":
		if p.IntN(25) == 0 {
			o.size, o.name = p.large(), "r0"
		}
	case "PATCH":
		o.sftp, o.rest, o.size = true, p.Int64N(1000), block*(1+p.Int64N(1<<8))
	case "RETR":
		if p.IntN(3) == 0 {
			o.rest = 1 + p.Int64N(1000)
		}
		if p.IntN(8) == 0 {
			o.cut = resetData
		}
	case "RNTO":
		if o.to = pick(p, files); o.to == name {
			o.verb, o.to = "SIZE", ""
		}
	case "RNTO directory":
		o.verb = "RNTO"
		n := p.IntN(len(dirs))
		o.name, o.to = dirs[n], dirs[(n+1+p.IntN(len(dirs)-1))%len(dirs)]
	case "MKD", "RMD":
		o.name = pick(p, dirs)
	case "STOU":
		o.name = ""
	}
	o.user = p.user(o)
	p.add(client, o)
	p.trouble(o)
	o.scp = o.flight%4 == 0 && o.mayUseSCP()
}

// trouble may give an operation a cut or a fault.
func (p *planner) trouble(o *op) {
	switch {
	case o.isUpload() && p.IntN(100) < p.w.profile.cuts:
		o.cut, o.cutAt = pick(p, uploadCuts[o.sftp]), p.Int64N(1001)
		switch {
		case o.cut == noNotify && !isSecure(o.client, p.round):
			o.cut = killControl
		case o.cut == badWrite && o.verb == "APPE": // which takes any offset
			o.cut = halfWrite
		}
	case !o.isUpload() && o.verb != "RETR" && p.IntN(100) < p.w.profile.cuts/4:
		o.cut = leave
	}
	requests := faultyRequests[o.verb]
	if len(requests) == 0 || p.IntN(100) >= p.w.profile.faults {
		return
	}
	r := pick(p, requests)
	key := o.name
	if r == "PutObject" && o.size > leastPart {
		r = pick(p, []string{"CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"})
	}
	k := pick(p, requestKinds(r))
	times := 1
	if n := p.IntN(25); n == 0 || n < 5 && (k == denied || k == deniedIn200) { // of others, the bridge takes long to give up
		times = 9
	}
	a := fault(o, r, key, k, times)
	a.limit = holdLimit / 4
	a.gate = gate{newEvent()}
}

// uploadCuts are the cuts of single uploads, by whether they use SFTP.
var uploadCuts = map[bool][]cut{
	false: {killData, killData, killControl, resetData, noNotify, noNotify, resetControl, abort, leave, leave, quit},
	true:  {killSFTP, killSFTP, hangUp, halfWrite, halfClose, closeChannel, closeChannel, badWrite, resetData, leave, leave, quit},
}

// faultyRequests are those of S3 by which an operation can fail.
var faultyRequests = map[string][]string{
	"STOR":  {"PutObject", "PutObject", "PutObject", "HeadObject"},
	"STOU":  {"PutObject"},
	"APPE":  {"PutObject", "GetObject", "HeadObject"},
	"PATCH": {"PutObject", "GetObject", "HeadObject"},
	"RETR":  {"GetObject"},
	"DELE":  {"DeleteObject", "DeleteObject", "HeadObject"},
	"RNTO":  {"CopyObject", "CopyObject", "DeleteObject", "HeadObject", "DeleteObjects", "ListObjectsV2"},
	"MFMT":  {"CopyObject", "CopyObject", "HeadObject"},
	"MKD":   {"PutObject"},
	"RMD":   {"DeleteObject", "ListObjectsV2"},
}

func requestKinds(operation string) []kind {
	always := []kind{cutBefore, busy, failed, empty, html, silent, hold, holdAnswer}
	switch operation {
	case "GetObject":
		return append(always, broken, broken, denied)
	case "HeadObject", "ListObjectsV2":
		return always
	}
	return append(always, cutIn, lostAnswer, lostAnswer, failedAfter, denied, emptyAfter, errorIn200, deniedIn200, silentAfter)
}

// killSomething kills a process in the middle of the round.
func (p *planner) killSomething() {
	client := p.IntN(clients)
	o := &op{verb: "KILL", name: fmt.Sprint(p.IntN(p.w.profile.processes))}
	if p.w.profile.minio && p.IntN(2) == 0 {
		o.verb = "KILLS3"
	}
	p.add(client, o)
	queue := p.queues[client]
	at := p.IntN(len(queue))
	copy(queue[at+1:], queue[at:])
	queue[at] = o
}
