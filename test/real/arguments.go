package real

import (
	"slices"
	"strings"
)

// Arguments returns a command line in which an option that is given again replaces the one before: the program takes
// each option once.
func Arguments(args ...string) []string {
	var options [][]string // each with its value; the first are the command and other words
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
