package scenario

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

// verdict is the result of a case: one word if both modes agree, or if only one was tried.
func (s Suite) verdict(c *Client, x Case) (v Verdict, tried bool) {
	first, tried := c.results[s.Modes[0]][x.Name]
	if len(s.Modes) == 1 {
		return first, tried
	}
	second, both := c.results[s.Modes[1]][x.Name]
	switch passive, active := s.Modes[0], s.Modes[1]; {
	case !both || first == second:
		return first, tried
	case first.Word == second.Word:
		return Verdict{first.Word, first.Reason + "; " + active + ": " + second.Reason}, true
	case second.Word == "yes":
		return Verdict{active, passive + " " + first.Error()}, true
	case first.Word == "yes":
		return Verdict{passive, active + " " + second.Error()}, true
	default:
		return Verdict{first.Word + " / " + second.Word, first.Reason + "; " + active + ": " + second.Reason}, true
	}
}

// row returns the client's row in the table of these cases.
func (s Suite) row(c *Client, of []Case) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %s |", c.title)
	for _, x := range of {
		v, _ := s.verdict(c, x)
		fmt.Fprintf(&b, " %s |", v.Word)
	}
	return b.String() + "\n"
}

// notes returns a line for each cell that is not a plain yes, with the reason.
func (s Suite) notes(c *Client) (lines []string) {
	what := make(map[string][]string)
	var reasons []string
	for _, x := range slices.Concat(s.Files, s.Names, s.Extras) {
		if v, tried := s.verdict(c, x); tried && v.Reason != "" {
			if what[v.Reason] == nil {
				reasons = append(reasons, v.Reason)
			}
			what[v.Reason] = append(what[v.Reason], x.What)
		}
	}
	for _, r := range reasons {
		list := strings.Join(what[r], ", ")
		if len(what[r]) > 6 {
			list = "the rest"
		}
		lines = append(lines, fmt.Sprintf("- **%s**, %s: %s.\n", c.title, list, r))
	}
	for _, x := range s.Extras {
		if v, tried := s.verdict(c, x); tried && v.Word == "yes" {
			lines = append(lines, fmt.Sprintf("- **%s** also did %s.\n", c.title, x.What))
		}
	}
	return lines
}

// tables returns the results in Markdown.
func (s Suite) tables(all []*Client) string {
	var b strings.Builder
	for _, of := range [][]Case{s.Files, s.Names} {
		b.WriteString("| client |")
		for _, x := range of {
			fmt.Fprintf(&b, " %s |", x.Name)
		}
		b.WriteString("\n|" + strings.Repeat("---|", len(of)+1) + "\n")
		for _, c := range all {
			b.WriteString(s.row(c, of))
		}
		b.WriteString("\n")
	}
	for _, c := range all {
		b.WriteString(strings.Join(s.notes(c), ""))
	}
	return b.String()
}

// checkPage compares the results with the page, for clients that ran all cases.
func (s Suite) checkPage(t *testing.T, all []*Client) {
	t.Helper()
	ran := slices.DeleteFunc(slices.Clone(all), func(c *Client) bool {
		_, tried := s.verdict(c, s.Names[len(s.Names)-1])
		return !tried || len(c.results[s.Modes[len(s.Modes)-1]]) == 0
	})
	page := harness.Root + "/docs/" + s.Page
	if len(ran) == len(all) {
		harness.CheckGenerated(t, page, s.Test, s.tables(all))
		return
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range ran {
		for _, line := range append(s.notes(c), s.row(c, s.Files), s.row(c, s.Names)) {
			if !strings.Contains(string(text), line) {
				t.Errorf("docs/%s does not have this line:\n%s", s.Page, line)
			}
		}
	}
}
