package ack

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"testing"
)

// The judge searches for an order of the operations that explains the observations: each acknowledged operation took effect
// between its beginning and its end, and each read returned the state at that time. Operations that are not atomic by contract
// have several steps; a rename is a copy and then a deletion.

// A value is the state of a name: a file, or nothing.
type value struct {
	content string
	mtime   int // of the MFMT that set it, 0 = none
	there   bool
	deleted int // the DELE that removed it, 0 = none; not an observation
}

func (v value) String() string {
	if !v.there {
		return "absent"
	}
	if v.mtime == 0 {
		return fmt.Sprintf("%q", v.content)
	}
	return fmt.Sprintf("%q (time of op %d)", v.content, v.mtime)
}

// A state is the value of each name, by its number, and the files that running renames have read.
type state []value

// A step happens at one moment between call and ret.
type step struct {
	op        *op
	what      string
	call, ret int64
	must      bool // it has happened in the end
	after     []int
	// do returns the possible states after the step, none if it is impossible.
	do func(s state) []state
}

const forever = math.MaxInt64

const mostSteps = 256

// A bitset holds the steps that have happened.
type bitset [mostSteps / 64]uint64

func (b bitset) has(i int) bool    { return b[i/64]>>(i%64)&1 != 0 }
func (b bitset) with(i int) bitset { b[i/64] |= 1 << (i % 64); return b }
func (b bitset) hasAll(i []int) bool {
	return !slices.ContainsFunc(i, func(i int) bool { return !b.has(i) })
}

// A search looks for an order of steps.
type search struct {
	steps  []step
	final  func(s state) bool
	intern map[value]uint32
	seen   map[string]bool
	best   bitset // the most steps that fitted together
	most   int
}

// Verdicts of a search.
type verdict string

const (
	explained   verdict = "explained"
	unexplained verdict = "unexplained"
	undecided   verdict = "undecided"
)

// mostStates is the limit of states that a search visits.
const mostStates = 3_000_000

func (x *search) run(begin state) verdict {
	x.intern, x.seen = map[value]uint32{}, map[string]bool{}
	switch {
	case len(x.steps) > mostSteps:
		return undecided
	case x.visit(bitset{}, begin, 0, 0):
		return explained
	case len(x.seen) >= mostStates:
		return undecided
	}
	return unexplained
}

// visit searches for an order of the remaining steps. latest is the latest beginning of those that have happened.
func (x *search) visit(done bitset, s state, latest int64, count int) bool {
	if count >= x.most {
		x.most, x.best = count, done
	}
	if len(x.seen) >= mostStates {
		return false
	}
	key := x.key(done, s)
	if x.seen[key] {
		return false
	}
	x.seen[key] = true
	deadline, left := int64(forever), false // before which the next step has to begin
	for i := range x.steps {
		if x.steps[i].must && !done.has(i) {
			left = true
			deadline = min(deadline, x.steps[i].ret)
		}
	}
	if !left && x.final(s) {
		return true
	}
	for i := range x.steps {
		t := &x.steps[i]
		if done.has(i) || t.call > deadline || t.ret < latest || !done.hasAll(t.after) {
			continue
		}
		for _, next := range t.do(s) {
			if x.visit(done.with(i), next, max(latest, t.call), count+1) {
				return true
			}
		}
	}
	return false
}

func (x *search) key(done bitset, s state) string {
	b := make([]byte, 0, 8*len(done)+4*len(s))
	for _, word := range done {
		b = binary.LittleEndian.AppendUint64(b, word)
	}
	for _, v := range s {
		n, ok := x.intern[v]
		if !ok {
			n = uint32(len(x.intern))
			x.intern[v] = n
		}
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	return string(b)
}

// set returns the state with another value of one name.
func (s state) set(i int, v value) []state {
	next := slices.Clone(s)
	next[i] = v
	return []state{next}
}

func TestSearch(t *testing.T) {
	write := func(call, ret int64, must bool, content string) step {
		return step{call: call, ret: ret, must: must, do: func(s state) []state { return s.set(0, value{content: content, there: true}) }}
	}
	read := func(call, ret int64, content string) step {
		return step{call: call, ret: ret, must: true, do: func(s state) []state {
			if s[0].content != content {
				return nil
			}
			return []state{s}
		}}
	}
	for name, c := range map[string]struct {
		steps []step
		final string
		want  verdict
	}{
		"the last write wins":              {[]step{write(1, 2, true, "a"), write(3, 4, true, "b")}, "b", explained},
		"an acknowledged write is lost":    {[]step{write(1, 2, true, "a"), write(3, 4, true, "b")}, "a", unexplained},
		"writes overlap":                   {[]step{write(1, 4, true, "a"), write(2, 3, true, "b")}, "a", explained},
		"a stale read":                     {[]step{write(1, 2, true, "a"), read(3, 4, "")}, "a", unexplained},
		"a read of a write under way":      {[]step{write(1, 6, true, "a"), read(2, 3, ""), read(4, 5, "a")}, "a", explained},
		"a read back in time":              {[]step{write(1, 6, true, "a"), read(2, 3, "a"), read(4, 5, "")}, "a", unexplained},
		"what may have happened has":       {[]step{write(1, forever, false, "a"), write(2, 3, true, "b")}, "a", explained},
		"what may have happened has not":   {[]step{write(1, forever, false, "a"), write(2, 3, true, "b")}, "b", explained},
		"what may have happened, too late": {[]step{write(1, 2, false, "a"), write(3, 4, true, "b")}, "a", unexplained},
		"a refused write":                  {[]step{write(3, 4, true, "b")}, "a", unexplained},
	} {
		x := &search{steps: c.steps, final: func(s state) bool { return s[0].content == c.final }}
		if got := x.run(make(state, 1)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// Of two deletions of one file, both are acknowledged only if two processes ran them at the same time.
func TestDeletedTwice(t *testing.T) {
	deletion := func(id, proc int, call, ret int64) *op {
		return &op{id: id, verb: "DELE", name: "a", proc: proc, call: call, ret: ret, code: 250}
	}
	first := deletion(1, 0, 1, 4)
	for name, c := range map[string]struct {
		second *op
		begin  value
		want   verdict
	}{
		"of two processes, at the same time":         {deletion(2, 1, 3, 6), value{content: "x", there: true}, explained},
		"of two processes, one after the other":      {deletion(2, 1, 5, 6), value{content: "x", there: true}, unexplained},
		"of one process":                             {deletion(2, 0, 3, 6), value{content: "x", there: true}, unexplained},
		"of two processes, of a file that is absent": {deletion(2, 1, 3, 6), value{}, unexplained},
	} {
		j := &judge{w: &world{}, index: map[string]int{"a": 0}, byID: map[int]*op{1: first, 2: c.second}}
		for _, o := range []*op{first, c.second} {
			j.step(o, o.verb, true, j.deleted(o, troubles{}))
		}
		x := &search{steps: j.steps, final: func(s state) bool { return !s[0].there }}
		if got := x.run(state{c.begin}); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// The rename of a directory may leave a file behind only on MinIO, and only if its time is set meanwhile.
func TestUnlistedFile(t *testing.T) {
	for name, c := range map[string]struct {
		relaxed relaxation
		call    int64 // of MFMT
		want    verdict
	}{
		"on MinIO, at the same time": {relaxation{listing: true}, 3, explained},
		"on MinIO, later":            {relaxation{listing: true}, 6, unexplained},
		"on another store":           {relaxation{}, 3, unexplained},
	} {
		rename := &op{id: 1, verb: "RNTO", name: "d0", to: "d1", call: 2, ret: 5, code: 250}
		set := &op{id: 2, verb: "MFMT", name: "d0/x", call: c.call, ret: c.call + 1, code: 213}
		j := &judge{w: &world{history: []*op{rename, set}}, names: []string{"d0/x", "d1/x"}, index: map[string]int{"d0/x": 0, "d1/x": 1}, relaxed: c.relaxed}
		j.renameDir(rename, troubles{})
		begin := make(state, len(j.names)+j.slots)
		begin[0] = value{content: "x", there: true}
		x := &search{steps: j.steps, final: func(s state) bool { return s[0].there && !s[1].there }}
		if got := x.run(begin); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
