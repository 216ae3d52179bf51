package sftp

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy/grant"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// A scriptStore is the store of a script.
type scriptStore interface {
	grant.Sized

	// prepare makes a "file", a "dir" or a "resumable" upload, or makes the store "fail" or "slow". It reports whether it can.
	prepare(t testing.TB, kind, name, data string) bool

	// contents returns the lines about all files that the store has.
	contents(t testing.TB) []string

	// resumable returns how many bytes of uploads can be resumed, by name: of all names, or of these.
	resumable(t testing.TB, names []string) map[string]int64

	// lost returns how many bytes a resumable upload may lack at its end.
	lost() int64
}

// A memoryStore is a scriptStore in memory.
type memoryStore struct{ *storetest.Memory }

func (m memoryStore) prepare(_ testing.TB, kind, name, data string) bool {
	m.Lock()
	defer m.Unlock()
	switch kind {
	case "file":
		m.Files[name] = storetest.MemoryFile{Name: name, Data: []byte(data), Time: time.Unix(1_000_000_000, 0)}
	case "dir":
		m.Files[name+"/"] = storetest.MemoryFile{Name: name + "/"}
	case "resumable":
		m.Resumable[name] = []byte(data)
	case "fail":
		m.Fail[name] = storetest.ErrDown
	case "slow":
		m.Slow[name], _ = time.ParseDuration(data)
	default:
		return false
	}
	return true
}

func (m memoryStore) contents(testing.TB) (lines []string) {
	for _, name := range slices.Sorted(maps.Keys(m.Files)) {
		line := name
		if f := m.Files[name]; !f.IsDir() {
			line = strings.TrimRight(name+" "+shorten(string(f.Data)), " ")
		}
		lines = append(lines, line)
	}
	return lines
}

func (m memoryStore) resumable(testing.TB, []string) map[string]int64 {
	sizes := make(map[string]int64)
	for name, half := range m.Resumable {
		sizes[name] = int64(len(half))
	}
	return sizes
}

func (memoryStore) lost() int64 { return 0 }
