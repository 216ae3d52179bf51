package sftp

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// A version is what a name may have. A nil *version is no file.
type version struct {
	data    []byte
	modTime int64 // in seconds; 0 = any
}

// anything is a version that the model does not know.
var anything = &version{}

// A fuzzModel is what the store may have: the possible versions of each name. The name of a directory marker ends in a slash.
type fuzzModel map[string][]*version

// reset sets the model to what the store has.
func (m fuzzModel) reset(s *storetest.Memory) {
	clear(m)
	for name, f := range s.Files {
		m[name] = []*version{{f.Data, f.Time.Unix()}}
	}
}

// of returns the possible versions of a name.
func (m fuzzModel) of(name string) []*version {
	if v, ok := m[name]; ok {
		return v
	}
	return []*version{nil}
}

// only returns the version of a name if it is known.
func (m fuzzModel) only(name string) (v *version, known bool) {
	all := m.of(name)
	return all[0], len(all) == 1 && all[0] != anything
}

func (m fuzzModel) set(name string, versions ...*version) { m[name] = versions }

// may adds versions to the possible ones.
func (m fuzzModel) may(name string, versions ...*version) {
	m[name] = append(slices.Clone(m.of(name)), versions...)
}

// below returns the names below a directory.
func (m fuzzModel) below(dir string) (names []string) {
	for name := range m {
		if strings.HasPrefix(name, strings.TrimSuffix(dir, "/")+"/") {
			names = append(names, name)
		}
	}
	return names
}

// rename moves a file, or a directory, that was renamed. If lost is true, it may have been renamed.
func (m fuzzModel) rename(from, to string, lost bool) {
	if from == to {
		return
	}
	file, known := m.only(from)
	moved := map[string]string{from: to}
	if known && file == nil || !known {
		for _, name := range m.below(from) {
			moved[name] = to + strings.TrimPrefix(name, from)
		}
	}
	was := maps.Clone(m)
	for from, to := range moved {
		if !known || lost {
			m.set(from, anything)
			m.set(to, anything)
			continue
		}
		m.set(to, was.of(from)...)
		m.set(from, nil)
	}
}

// check compares the store with the model, and makes it what the store has. Those of the names that are skipped may change still.
func (m fuzzModel) check(f *fuzzSession, skip []string) {
	isSkipped := func(name string) bool {
		return slices.ContainsFunc(skip, func(s string) bool { return name == s || strings.HasPrefix(name, strings.TrimSuffix(s, "/")+"/") })
	}
	names := slices.Collect(maps.Keys(m))
	for name := range f.store.Files {
		names = append(names, name)
	}
	for _, name := range names {
		if isSkipped(name) {
			continue
		}
		file, there := f.store.Files[name]
		var now *version
		if there {
			now = &version{file.Data, file.Time.Unix()}
		}
		possible := m.of(name)
		switch i := slices.IndexFunc(possible, func(v *version) bool { return v.equal(now) }); {
		case i < 0:
			f.Errorf("%s is %v, want one of %v", name, now, possible)
		case there && possible[i] != anything: // handles that read it know it
			possible[i].modTime, now = now.modTime, possible[i]
		}
		m.set(name, now)
		if !there {
			delete(m, name)
		}
	}
}

func (v *version) equal(now *version) bool {
	if v == nil || now == nil || v == anything {
		return v == now || v == anything
	}
	return bytes.Equal(v.data, now.data) && (v.modTime == 0 || v.modTime == now.modTime)
}

// String returns the size and an outline of a version.
func (v *version) String() string {
	switch v {
	case nil:
		return "missing"
	case anything:
		return "anything"
	}
	var outline []byte
	for i := 0; i < len(v.data); i += fuzzUnit / 2 {
		outline = append(outline, v.data[i])
	}
	return fmt.Sprintf("%d bytes %q of %d", len(v.data), outline, v.modTime)
}

// A fuzzHandle is an open handle, and the file that it writes as a disk would have it.
type fuzzHandle struct {
	number   string
	name     string
	wrong    bool // it is not open
	writes   bool
	appends  bool
	base     *version // that OPEN has found
	vague    bool     // the model does not know the content
	resumes  bool     // base is a resumable upload
	follows  bool     // it appends to what the name has when the store takes the first byte
	content  []byte
	sent     int64 // the end of the content after all WRITEs in order that were sent
	required int
	replaced bool // RENAME has given the name to another file
	wrote    bool
	failed   bool // a WRITE or FSETSTAT has failed
	plain    bool // a new file that is written in order: nothing may fail
	modTime  int64
	last     time.Time // of the last WRITE, or OPEN
}

// write is a WRITE of data that has succeeded, or not.
func (h *fuzzHandle) write(offset int64, data []byte, ok bool) {
	h.plain = h.plain && offset == int64(len(h.content)) && time.Since(h.last) < fuzzStall
	h.last = time.Now()
	if !ok {
		h.failed = true
		return
	}
	if len(data) == 0 {
		return
	}
	switch {
	case h.appends:
		offset = int64(len(h.content))
	case h.resumes && !h.wrote && offset == 0:
		h.content = nil
	}
	h.wrote = true
	h.grow(int(offset) + len(data))
	copy(h.content[offset:], data)
}

func (h *fuzzHandle) grow(n int) {
	if n > len(h.content) {
		h.content = append(h.content, make([]byte, n-len(h.content))...)
	}
}

// resize is a FSETSTAT of the size.
func (h *fuzzHandle) resize(n int, ok bool) {
	h.plain = false
	if !ok {
		h.failed = true
		return
	}
	h.required = n
	if h.appends && n > len(h.content) {
		return
	}
	h.grow(n)
	h.content = h.content[:n:n]
}

// closed returns what the name may have after CLOSE was answered OK.
func (h *fuzzHandle) closed(m fuzzModel) []*version {
	now := m.of(h.name)
	// The ETags of the store in memory are the sizes: it does not see that the base is another of the same size.
	replaced := h.base != nil && !h.resumes && !(len(now) == 1 && h.base.equal(now[0]))
	if h.vague || replaced {
		return []*version{anything}
	}
	published := &version{h.content, h.modTime}
	if h.follows && h.wrote {
		return append(published.behind(now), published)
	}
	if h.base == nil || !bytes.Equal(h.content, h.base.data) {
		return []*version{published}
	}
	return append(slices.Clone(now), published)
}

// behind returns a version appended to each of others.
func (v *version) behind(others []*version) (all []*version) {
	for _, other := range others {
		switch other {
		case nil:
		case anything:
			all = append(all, anything)
		default:
			all = append(all, &version{slices.Concat(other.data, v.data), v.modTime})
		}
	}
	return all
}

// checkResumable checks that resumable uploads are the beginning of what was written.
func (m fuzzModel) checkResumable(f *fuzzSession) {
	for name, half := range f.store.Resumable {
		if name == "/r" && bytes.HasPrefix(bytes.Repeat([]byte("half"), 5*fuzzUnit), half) {
			continue
		}
		matches := slices.ContainsFunc(f.opened, func(h *fuzzHandle) bool {
			return h.name == name && (h.vague || h.failed || len(half) < len(h.content) && bytes.HasPrefix(h.content, half))
		})
		if !matches {
			f.Errorf("%s has a resumable upload of %d bytes that no handle has written", name, len(half))
		}
	}
}
