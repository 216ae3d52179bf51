package clients

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

const clientsDoc = harness.Root + "/docs/clients.md"

var fileScenarios = []scenario{
	{"up", "uploads", true, (*task).put},
	{"down", "downloads", true, (*task).get},
	{"resume up", "resuming uploads", true, (*task).reput},
	{"resume down", "resuming downloads", true, (*task).reget},
	{"append", "appending", true, (*task).appended},
	{"many up", "uploads by a pattern", true, (*task).putMany},
	{"many down", "downloads by a pattern", true, (*task).getMany},
	{"tree up", "uploads of trees", true, (*task).putTree},
	{"tree down", "downloads of trees", true, (*task).getTree},
	{"ASCII up", "uploads in ASCII", true, (*task).putText},
	{"ASCII down", "downloads in ASCII", true, (*task).getText},
	{"time up", "uploads with the file's time", true, (*task).putTime},
	{"time down", "downloads with the file's time", true, (*task).getTime},
}

var nameScenarios = []scenario{
	{"list", "lists", true, (*task).list},
	{"odd names up", "uploads under odd names", false, (*task).oddUp},
	{"odd names down", "downloads of odd names", false, (*task).oddDown},
	{"make directory", "making directories", false, (*task).mkdir},
	{"remove directory", "removing directories", false, (*task).rmdir},
	{"rename", "renaming", false, (*task).rename},
	{"delete", "deleting", false, (*task).remove},
	{"size", "sizes", false, (*task).size},
	{"time", "times", false, (*task).time},
}

// isExtra reports whether only some clients support the scenario.
func isExtra(s scenario) bool {
	return slices.ContainsFunc(extras, func(x scenario) bool { return x.name == s.name })
}

// verdict is the result of a scenario: one word if both modes agree, or if only one was tried.
func (c *client) verdict(s scenario) (v verdict, tried bool) {
	passive, tried := c.results["passive"][s.name]
	active, both := c.results["active"][s.name]
	switch {
	case !both || passive == active:
		return passive, tried
	case passive.word == active.word:
		return verdict{passive.word, passive.reason + "; active: " + active.reason}, true
	case active.word == "yes":
		return verdict{"active", "passive " + passive.Error()}, true
	case passive.word == "yes":
		return verdict{"passive", "active " + active.Error()}, true
	}
	return verdict{passive.word + " / " + active.word, passive.reason + "; active: " + active.reason}, true
}

// row returns the client's row in the table of these scenarios.
func (c *client) row(of []scenario) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %s |", c.title)
	for _, s := range of {
		v, _ := c.verdict(s)
		fmt.Fprintf(&b, " %s |", v.word)
	}
	return b.String() + "\n"
}

// notes returns a line for each cell that is not a plain yes, with the reason.
func (c *client) notes() (lines []string) {
	what := make(map[string][]string)
	var reasons []string
	for _, s := range slices.Concat(fileScenarios, nameScenarios, extras) {
		if v, tried := c.verdict(s); tried && v.reason != "" {
			if what[v.reason] == nil {
				reasons = append(reasons, v.reason)
			}
			what[v.reason] = append(what[v.reason], s.what)
		}
	}
	for _, r := range reasons {
		list := strings.Join(what[r], ", ")
		if len(what[r]) > 6 {
			list = "the rest"
		}
		lines = append(lines, fmt.Sprintf("- **%s**, %s: %s.\n", c.title, list, r))
	}
	for _, s := range extras {
		if v, tried := c.verdict(s); tried && v.word == "yes" {
			lines = append(lines, fmt.Sprintf("- **%s** also did %s.\n", c.title, s.what))
		}
	}
	return lines
}

// clientTables returns the results of TestClients in Markdown.
func clientTables(all []*client) string {
	var b strings.Builder
	for _, of := range [][]scenario{fileScenarios, nameScenarios} {
		b.WriteString("| client |")
		for _, s := range of {
			fmt.Fprintf(&b, " %s |", s.name)
		}
		b.WriteString("\n|" + strings.Repeat("---|", len(of)+1) + "\n")
		for _, c := range all {
			b.WriteString(c.row(of))
		}
		b.WriteString("\n")
	}
	for _, c := range all {
		b.WriteString(strings.Join(c.notes(), ""))
	}
	return b.String()
}

// checkClientsPage compares the results with docs/clients.md, for clients that ran all scenarios.
func checkClientsPage(t *testing.T, all []*client) {
	t.Helper()
	ran := slices.DeleteFunc(slices.Clone(all), func(c *client) bool {
		_, tried := c.verdict(nameScenarios[len(nameScenarios)-1])
		return !tried || len(c.results["active"]) == 0
	})
	if len(ran) == len(all) {
		harness.CheckGenerated(t, clientsDoc, "./test/e2e/clients -run TestClients", clientTables(all))
		return
	}
	text, err := os.ReadFile(clientsDoc)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range ran {
		for _, line := range append(c.notes(), c.row(fileScenarios), c.row(nameScenarios)) {
			if !strings.Contains(string(text), line) {
				t.Errorf("docs/clients.md does not have this line:\n%s", line)
			}
		}
	}
}
