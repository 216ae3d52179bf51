package ack

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// An account is a user of the users file. All of them share the bucket.
type account struct {
	name   string
	may    []string
	mounts map[string]mount // by the directory of the bucket; nil = the bucket is the root directory
}

// A mount is where a user has a directory of the bucket.
type mount struct {
	path string
	may  []string
}

var (
	allRights = []string{"list", "read", "write", "overwrite", "delete", "rename", "mkdir"}
	keepsOld  = []string{"list", "read", "write", "delete", "rename", "mkdir"} // no overwrite

	tester  = &account{name: "tester", may: allRights}
	writer  = &account{name: "writer", may: []string{"write", "overwrite", "mkdir"}}
	scanner = &account{name: "scanner", may: []string{"write", "mkdir"}}
	printer = &account{name: "printer", may: []string{"write", "mkdir"}}
	keeper  = &account{name: "keeper", may: keepsOld}
	reader  = &account{name: "reader", may: []string{"list", "read"}}
	mounted = &account{name: "mounted", mounts: map[string]mount{
		"d0": {"in", allRights}, "d1": {"out", keepsOld}, "d2": {"old", []string{"list", "rename"}},
	}}

	accounts = []*account{tester, writer, scanner, printer, keeper, reader, mounted}
)

// usersFile writes the users file.
func usersFile(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	secret, name := filepath.Join(dir, "password"), filepath.Join(dir, "users.yaml")
	var b strings.Builder
	fmt.Fprintf(&b, "defaults: {password-file: %q}\nusers:\n", secret)
	for _, a := range accounts {
		fmt.Fprintf(&b, "  - name: %s\n", a.name)
		if a.mounts == nil {
			fmt.Fprintf(&b, "    permissions: [%s]\n", strings.Join(a.may, ", "))
			continue
		}
		b.WriteString("    mounts:\n")
		for dir, m := range a.mounts {
			fmt.Fprintf(&b, "      /%s: {prefix: %s/, permissions: [%s]}\n", m.path, dir, strings.Join(m.may, ", "))
		}
	}
	for file, text := range map[string]string{secret: password, name: b.String()} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return name
}

// path returns the path of a name of the bucket in the root directory of the user.
func (a *account) path(name string) string {
	if dir, rest, below := strings.Cut(name, "/"); below && a.mounts != nil {
		return a.mounts[dir].path + "/" + rest
	}
	return name
}

// reaches reports whether the user has a path for a name of the bucket.
func (a *account) reaches(name string) bool {
	dir, _, below := strings.Cut(name, "/")
	return a.mounts == nil || below && a.mounts[dir].path != ""
}

// has reports whether the user has all these permissions for a name.
func (a *account) has(name string, all ...string) bool {
	may := a.may
	if a.mounts != nil {
		may = a.mounts[atom(name)].may
	}
	return !slices.ContainsFunc(all, func(right string) bool { return !slices.Contains(may, right) })
}

// by returns the user of an operation.
func (o *op) by() *account { return cmp.Or(o.user, tester) }

// isAllowed reports whether the user may do an operation if it replaces no file.
func (o *op) isAllowed() bool {
	a := o.by()
	switch o.verb {
	case "STOR", "APPE", "STOU":
		return a.has(o.name, "write")
	case "PATCH":
		return a.has(o.name, "overwrite")
	case "RETR":
		return a.has(o.name, "read")
	case "DELE", "RMD":
		return a.has(o.name, "delete")
	case "MKD":
		return a.has(o.name, "mkdir")
	case "MFMT":
		return a.has(o.name, "overwrite") || o.isHidden()
	case "RNTO":
		return a.has(o.name, "rename") && (a.mounts == nil || atom(o.name) == atom(o.to) || a.has(o.name, "read", "delete") && a.has(o.to, "write"))
	}
	return true
}

// isHidden reports whether an operation is allowed only for files that the session has written, and for resumable uploads.
func (o *op) isHidden() bool {
	a := o.by()
	switch o.verb {
	case "SIZE", "PATCH":
		return !a.has(o.name, "list") && !a.has(o.name, "read")
	case "MFMT":
		return !a.has(o.name, "overwrite") && a.has(o.name, "write")
	}
	return false
}

// mayReplace reports whether the user may replace a file.
func (o *op) mayReplace(name string) bool { return o.by().has(name, "overwrite") }

// ifAllowed returns an effect on a name that is possible only where no file is, unless the user may replace it. MinIO ignores
// conditions on copies.
func (j *judge) ifAllowed(o *op, name string, do func(state) []state) func(state) []state {
	if o.mayReplace(name) || o.verb == "RNTO" && j.relaxed.copy && j.meets(o, name) {
		return do
	}
	return func(s state) []state {
		if s[j.index[name]].there {
			return nil
		}
		return do(s)
	}
}

// mayContinue reports whether the user of an upload may resume one with this content: without overwrite only one of the same user.
func (j *judge) mayContinue(o *op, c content) bool {
	return o.mayReplace(o.name) || !slices.ContainsFunc(c, func(p piece) bool { return j.byID[p.op].by() != o.by() })
}

// taken adds the step that finds a file where the user may not replace it, or no source of a rename.
func (j *judge) taken(o *op) {
	target := cmp.Or(o.to, o.name)
	j.step(o, "finding "+target, true, func(s state) []state {
		if s[j.index[target]].there || o.to != "" && !s[j.index[o.name]].there {
			return []state{s}
		}
		return nil
	})
}

// user returns the user of a single operation, which is tester for three of four.
func (p *planner) user(o *op) *account {
	if p.IntN(4) > 0 {
		return tester
	}
	a := pick(p, accounts)
	if a.mounts != nil && (!a.reaches(o.name) || o.to != "" && !a.reaches(o.to)) {
		return keeper
	}
	return a
}

// newNamesPattern: while a user who may only write new names stores a file, another user stores one with that name.
func newNamesPattern(p *planner) {
	a, b := p.apart()
	name := p.fresh("f")
	write := p.add(a, &op{user: pick(p, []*account{scanner, keeper}), verb: "STOR", name: name, size: p.small() + block})
	held := fault(write, "PutObject", name, hold, 1)
	other := &op{user: pick(p, accounts[:5]), verb: pick(p, []string{"STOR", "APPE"}), name: name, size: p.small() + block}
	other.before = gate{held.hit, write.done}
	p.add(b, other)
	held.gate = gate{other.done}
	p.add(b, &op{verb: "RETR", name: name, before: gate{write.done}})
}

// movePattern: a user who may not overwrite renames a file to a name that another user stores.
func movePattern(p *planner) {
	a, b := p.apart()
	from, to := p.fresh("f"), p.fresh("f")+"t"
	p.add(a, &op{user: scanner, verb: "STOR", name: from, size: p.small()})
	rename := &op{user: keeper, verb: "RNTO", name: from, to: to}
	if p.IntN(2) == 0 {
		p.add(a, &op{user: writer, verb: "STOR", name: to, size: p.small()})
		p.add(a, rename)
		return
	}
	p.add(a, rename)
	held := fault(rename, "CopyObject", from, hold, 1)
	write := p.add(b, &op{user: pick(p, []*account{tester, scanner}), verb: "STOR", name: to, size: p.small() + block})
	write.before = gate{held.hit, rename.done}
	held.gate = gate{write.done}
}

// foreignResumePattern: a long upload of a user breaks, and another user, who may not overwrite, sends a file with REST.
func foreignResumePattern(p *planner) {
	a, b := p.together()
	name := p.fresh("r")
	broken := p.add(a, &op{user: scanner, verb: "STOR", name: name, size: p.large() + leastPart, cut: resetData, cutAt: 500 + p.Int64N(500)})
	resume := p.add(b, &op{user: pick(p, []*account{printer, printer, scanner}), verb: "STOR", name: name, size: p.small() + block, rest: 1000})
	resume.before = gate{broken.done}
}

// rightsPattern: users try what they may not do.
func rightsPattern(p *planner) {
	a := p.IntN(clients)
	name := p.fresh("f")
	p.add(a, &op{user: writer, verb: "STOR", name: name, size: p.small()})
	for _, o := range []*op{
		{user: pick(p, []*account{writer, scanner, reader}), verb: "DELE", name: name},
		{user: pick(p, []*account{writer, scanner, reader}), verb: "RNTO", name: name, to: name + "t"},
		{user: reader, verb: "STOR", name: name, size: p.small()},
		{user: pick(p, []*account{keeper, scanner}), verb: "APPE", name: name, size: p.small() + block},
		{user: reader, verb: "MFMT", name: name},
	} {
		p.add(a, o)
	}
	name = p.fresh("d2/x")
	p.add(a, &op{verb: "STOR", name: name, size: p.small()})
	p.add(a, &op{user: mounted, verb: "RNTO", name: name, to: strings.Replace(name, "d2", pick(p, []string{"d0", "d1"}), 1)})
}
