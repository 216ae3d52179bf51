package config

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// mostMemory is the default where nothing limits the process.
const mostMemory = 256 << 20

// defaultMemory is the default of --memory: 256 MiB, or half of the limit that the process is under.
func defaultMemory(root fs.FS) int64 {
	return max(leastMemory, min(mostMemory, memoryLimit(root)/2))
}

// unlimited stands for no limit; halved it is still beyond every default.
const unlimited = 1 << 62

// memoryLimit returns the lowest memory limit among the control groups of this process, versions 1 and 2.
func memoryLimit(root fs.FS) int64 {
	limit := int64(unlimited)
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		groups = []byte("0::/\n1:memory:/\n")
	}
	for line := range strings.Lines(string(groups)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		switch {
		case fields[0] == "0" && fields[1] == "":
			limit = min(limit, lowest(root, "sys/fs/cgroup", fields[2], "memory.max"))
		case hasController(fields[1], "memory"):
			limit = min(limit, lowest(root, "sys/fs/cgroup/memory", fields[2], "memory.limit_in_bytes"))
		}
	}
	return limit
}

func hasController(list, name string) bool { return strings.Contains(","+list+",", ","+name+",") }

// lowest returns the lowest limit of a group and those above it. Inside a container the mount point itself
// may be the group, and its path that of the host: levels that are not there limit nothing.
func lowest(root fs.FS, mount, group, file string) int64 {
	limit := int64(unlimited)
	for group = path.Clean("/" + group); ; group = path.Dir(group) {
		text, err := fs.ReadFile(root, path.Join(mount, group, file))
		if err == nil {
			if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 {
				limit = min(limit, n)
			}
		}
		if group == "/" {
			return limit
		}
	}
}
