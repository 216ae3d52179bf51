package real

import (
	"slices"
	"strings"
)

// Arguments returns a command line in which a later option replaces an earlier one of the same name, because s3ftpd accepts
// each option only once.
func Arguments(args ...string) []string {
	var options [][]string // with their values; arguments before the first option come first
	for _, arg := range args {
		if !strings.HasPrefix(arg, "--") && len(options) > 0 {
			last := len(options) - 1
			options[last] = append(options[last], arg)
			continue
		}
		name, _, _ := strings.Cut(arg, "=")
		if strings.HasPrefix(name, "--") {
			options = slices.DeleteFunc(options, func(o []string) bool {
				earlier, _, _ := strings.Cut(o[0], "=")
				return earlier == name
			})
		}
		options = append(options, []string{arg})
	}
	return slices.Concat(options...)
}
