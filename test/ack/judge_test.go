package ack

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A judge compares the observations of a group of names with their model.
type judge struct {
	w       *world
	ops     []*op
	names   []string       // then come the slots of renames
	index   map[string]int // of names
	slots   int
	steps   []step
	seen    []content // by downloads, and in the final bucket
	byID    map[int]*op
	relaxed relaxation // MinIO ignores conditions on copies and deletions
	pending []int      // slots that must not be "written" in the end
}

// judge compares the bucket with the possible results.
func (w *world) judge(held map[string]value) {
	for _, g := range w.groups(held) {
		j := w.newJudge(g, held, relaxation{})
		if len(g.names) > 0 {
			w.decide(j, g, held)
		}
	}
	w.strays(held)
}

// A relaxation is an anomaly that MinIO allows: it ignores conditions on copies and deletions, which matters between two processes,
// and its listings miss objects at times.
type relaxation struct {
	deletion bool // a rename may delete a newer file of another process at its source, and a repeated DELE a newer file
	copy     bool // a copy of a directory's file may replace a newer file of another process
	listing  bool // the rename of a directory may miss a file, because MinIO does not list an object while it is copied onto itself
}

// relaxations lists all relaxations by name. They are tried if nothing else explains the observations.
var relaxations = []struct {
	relaxation
	name string
}{
	{relaxation{deletion: true}, "MinIO: a rename or a repeated DELE deleted what another process had stored"},
	{relaxation{copy: true}, "MinIO: the rename of a directory replaced what another process had stored"},
	{relaxation{deletion: true, copy: true}, "MinIO: a rename deleted and another one replaced what another process had stored"},
	{relaxation{listing: true}, "MinIO: the rename of a directory missed a file whose time was set"},
}

// decide searches for an explanation of the observations.
func (w *world) decide(j *judge, g *group, held map[string]value) {
	x, result := j.explain(held)
	if result == unexplained && w.profile.minio {
		for _, r := range relaxations {
			if len(w.procs) == 1 && !r.listing {
				continue
			}
			if _, again := w.newJudge(g, held, r.relaxation).explain(held); again == explained {
				w.counts[r.name]++
				return
			}
		}
	}
	switch result {
	case undecided:
		w.counts["too much happened at once to be decided"]++
	case unexplained:
		names := map[string]bool{}
		for _, name := range j.names {
			names[name] = true
		}
		w.violation("no order of the operations explains what was seen of %s\n%s%s", strings.Join(j.names, " "), w.narrate(names), j.describe(x, held))
	}
}

// meets reports whether an operation of another process may have changed a name at the same time.
func (j *judge) meets(o *op, name string) bool {
	return slices.ContainsFunc(j.ops, func(p *op) bool {
		return p.touches(name) && o.overlaps(p)
	})
}

// describe returns the contents before and after, and the steps that do not fit.
func (j *judge) describe(x *search, held map[string]value) string {
	var b strings.Builder
	for _, name := range j.names {
		fmt.Fprintf(&b, "  %s was %v, is %v\n", name, j.w.state[name], held[name])
	}
	for i, t := range x.steps {
		if t.must && !x.best.has(i) {
			fmt.Fprintf(&b, "  does not fit: %s of op %d\n", t.what, t.op.id)
		}
	}
	return b.String()
}

// A group is a set of names connected by renames, with the operations on them.
type group struct {
	names []string
	ops   []*op
}

// atom is the unit that a rename moves: a file, or a directory with its contents.
func atom(name string) string {
	dir, _, _ := strings.Cut(name, "/")
	return dir
}

// groups divides the operations of the round.
func (w *world) groups(held map[string]value) (all []*group) {
	parent := map[string]string{}
	var find func(string) string
	find = func(a string) string {
		if p, ok := parent[a]; ok && p != a {
			return find(p)
		}
		parent[a] = a
		return a
	}
	known := map[string]bool{}
	note := func(name string) {
		if name != "" {
			known[name] = true
			find(atom(name))
		}
	}
	for _, o := range w.history {
		if strings.HasPrefix(o.verb, "KILL") {
			continue
		}
		note(o.name)
		note(o.to)
		if o.to != "" && o.name != "" {
			parent[find(atom(o.name))] = find(atom(o.to))
		}
	}
	for _, m := range []map[string]value{w.state, held} {
		for name := range m {
			note(name)
		}
	}
	groups := map[string]*group{}
	for _, root := range slices.Sorted(maps.Keys(parent)) {
		if find(root) == root {
			groups[root] = &group{}
		}
	}
	for _, o := range w.history {
		if o.name != "" && !strings.HasPrefix(o.verb, "KILL") {
			g := groups[find(atom(o.name))]
			g.ops = append(g.ops, o)
		}
	}
	for root, g := range groups {
		g.names = namesOf(root, known, find)
		if len(g.ops) > 0 {
			all = append(all, g)
		}
	}
	return all
}

// namesOf returns the files of a group: each known one, in each directory of the group.
func namesOf(root string, known map[string]bool, find func(string) string) []string {
	dirs, below, names := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for name := range known {
		if find(atom(name)) != root {
			continue
		}
		dir, rest, in := strings.Cut(name, "/")
		switch {
		case in && rest != "":
			dirs[dir], below[rest] = true, true
		case in || directory(name):
			dirs[dir] = true
		default:
			names[name] = true
		}
	}
	for dir := range dirs {
		for rest := range below {
			names[dir+"/"+rest] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func (w *world) newJudge(g *group, held map[string]value, relaxed relaxation) *judge {
	j := &judge{w: w, ops: g.ops, names: g.names, index: map[string]int{}, byID: map[int]*op{}, relaxed: relaxed}
	for i, name := range g.names {
		j.index[name] = i
	}
	for _, o := range w.history {
		j.byID[o.id] = o
	}
	for _, name := range g.names {
		j.seen = append(j.seen, contentOf(held[name].content))
	}
	for _, o := range g.ops {
		if o.content != nil {
			j.seen = append(j.seen, o.content)
		}
	}
	for _, o := range g.ops {
		j.add(o)
	}
	return j
}

func (j *judge) explain(held map[string]value) (*search, verdict) {
	begin := make(state, len(j.names)+j.slots)
	for i, name := range j.names {
		begin[i] = j.w.state[name]
	}
	x := &search{steps: j.steps, final: func(s state) bool {
		for i, name := range j.names {
			v := s[i]
			v.deleted = 0
			if v != held[name] {
				return false
			}
		}
		return !slices.ContainsFunc(j.pending, func(i int) bool { return s[i].content == written })
	}}
	return x, x.run(begin)
}

// slot reserves a place in the state for a file that a rename has read.
func (j *judge) slot() int {
	j.slots++
	return len(j.names) + j.slots - 1
}

// step adds a step of an operation, and returns its number.
func (j *judge) step(o *op, what string, must bool, do func(state) []state, after ...int) int {
	t := step{op: o, what: what, call: o.call, ret: o.ret, must: must, do: do, after: after}
	if o.ret == 0 {
		t.ret = forever
	}
	j.steps = append(j.steps, t)
	return len(j.steps) - 1
}

// strays reports objects with names that no operation used.
func (w *world) strays(held map[string]value) {
	known := map[string]bool{}
	for _, o := range w.history {
		known[o.name], known[atom(o.name)], known[atom(o.to)], known[o.to] = true, true, true, true
	}
	for name, v := range held {
		_, before := w.state[name]
		if before || known[name] || known[atom(name)] {
			continue
		}
		stou := slices.ContainsFunc(w.history, func(o *op) bool {
			return o.verb == "STOU" && o.lost() && v.content == content{{o.id, o.size, 0}}.String()
		})
		if !stou {
			w.violation("the bucket holds %s as %s, which nobody has stored", v, name)
		}
	}
}

// count counts tolerated anomalies.
func (j *judge) count(what string) {
	if j.relaxed == (relaxation{}) { // relaxed judges see the same again
		j.w.counts[what]++
	}
}
