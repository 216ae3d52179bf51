package config

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// maxDefaultMemory is the default of --memory without a memory limit.
const maxDefaultMemory = 256 << 20

// defaultMemory returns the default of --memory: 256 MiB, or half of the process's memory limit if that is less.
func defaultMemory(root fs.FS) int64 {
	return max(minMemory, min(maxDefaultMemory, memoryLimit(root)/2))
}

// unlimited means no limit.
const unlimited = 1 << 62

// memoryLimit returns the lowest memory limit of the process's control groups, of version 1 or 2.
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
			limit = min(limit, lowestLimit(root, "sys/fs/cgroup", fields[2], "memory.max"))
		case hasController(fields[1], "memory"):
			limit = min(limit, lowestLimit(root, "sys/fs/cgroup/memory", fields[2], "memory.limit_in_bytes"))
		}
	}
	return limit
}

func hasController(list, name string) bool { return strings.Contains(","+list+",", ","+name+",") }

// lowestLimit returns the lowest limit of a group and its parents. Inside a container the mount point may be the group itself,
// and the path that of the host, so levels that do not exist are skipped.
func lowestLimit(root fs.FS, mount, group, file string) int64 {
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
