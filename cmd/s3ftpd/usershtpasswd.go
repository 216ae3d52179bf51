package main

import (
	"bytes"
	"strings"
)

// readHtpasswd reads lines of the form NAME:HASH, as htpasswd of Apache writes them.
func readHtpasswd(text []byte) (all []imported, err error) {
	number := 0
	for l := range bytes.Lines(text) {
		number++
		line := strings.TrimRight(string(l), "\r\n")
		if trimmed := strings.TrimSpace(line); trimmed == "" || strings.HasPrefix(trimmed, "#") {
			continue
		}
		name, rest, found := strings.Cut(line, ":")
		hash, comment, _ := strings.Cut(rest, ":")
		u := imported{name: name}
		if !found {
			u.name = "" // the line may be a password
			u.skip("line %d has no colon: must be NAME:HASH", number)
			all = append(all, u)
			continue
		}
		u.password(strings.TrimSpace(hash))
		if comment != "" {
			u.comments = append(u.comments, comment)
		}
		all = append(all, u)
	}
	return all, nil
}
