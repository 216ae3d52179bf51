package access

import (
	"maps"
	"slices"
	"strings"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// stateNames are the states of a name in the documentation.
var stateNames = [states]string{"no such name", "file", "file of this session", "directory", "resumable upload of this user"}

// String returns the name of the state.
func (s State) String() string { return stateNames[s] }

// States returns all states of a name.
func States() []State { return []State{Missing, File, Own, Dir, Upload} }

// Sets returns sets of permissions that show what a command needs: all, each single one, all but each single one, and those that have
// a name in the configuration.
func Sets() []proxy.Permissions {
	const dropbox = proxy.PermWrite | proxy.PermMkdir
	sets := []proxy.Permissions{proxy.PermAll, 0, proxy.PermList | proxy.PermRead, dropbox | proxy.PermOverwrite, dropbox}
	for p := proxy.PermList; p <= proxy.PermMkdir; p <<= 1 {
		sets = append(sets, p, proxy.PermAll&^p)
	}
	return sets
}

// Table returns a table in Markdown of commands and what they need. Those that need the same are in one row, those that need nothing
// in none. kind is the head of their column.
func Table(kind string, commands map[string]Needs) string {
	byNeeds := make(map[Needs][]string)
	for _, name := range slices.Sorted(maps.Keys(commands)) {
		byNeeds[commands[name]] = append(byNeeds[commands[name]], name)
	}
	delete(byNeeds, Needs{})
	var rows []string
	for needs, names := range byNeeds {
		row := "| `" + strings.Join(names, "`, `") + "`"
		for _, state := range States() {
			row += " | " + needs[state].String()
		}
		rows = append(rows, row+" |\n")
	}
	slices.Sort(rows)
	return "| " + kind + " | " + strings.Join(stateNames[:], " | ") + " |\n" + strings.Repeat("|---", len(stateNames)+1) + "|\n" + strings.Join(rows, "")
}

// Section returns the part of a page in Markdown between the comments <!-- name --> and <!-- /name -->.
func Section(page, name string) string {
	_, rest, _ := strings.Cut(page, "<!-- "+name+" -->\n")
	section, _, _ := strings.Cut(rest, "<!-- /"+name+" -->")
	return section
}
