// Package scenario has what tests ask real clients of FTP and SFTP to do: a [Suite] runs its cases with every client, looks into the
// bucket, and compares the results with a page of docs/. A client is a script; see test/e2e/clients/scripts/README.md.
package scenario

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// A Suite is what all clients of a protocol are asked to do. The test that runs it has the scripts in its directory.
type Suite struct {
	Files, Names []Case   // the columns of the two tables
	Extras       []Case   // only for clients that ask for them
	Modes        []string // of clients; in the second one, they run the cases with Data only, with fewer files
	Page, Test   string   // the page below docs/, and the test as `go test` takes it: "./test/e2e/clients -run TestClients"
	Parallel     int      // clients at a time
	Sizes        []int64  // of files, in bytes; the first three for slow clients; one must be of 20 MiB
	OddNames     []string // the last one for slow clients
}

// A Case is one thing that clients do.
type Case struct {
	Name string            // the head of its column; for an extra, the word after "# Also:" in scripts
	What string            // the same, for the notes
	Data bool              // it needs a data connection
	Run  func(*Task) error // returns an error if the bucket, or the client's copy, has the wrong content
}

// Cases for all protocols.
var (
	FileCases = []Case{
		{"up", "uploads", true, (*Task).put},
		{"down", "downloads", true, (*Task).get},
		{"resume up", "resuming uploads", true, (*Task).reput},
		{"resume down", "resuming downloads", true, (*Task).reget},
		{"append", "appending", true, (*Task).appended},
		{"many up", "uploads by a pattern", true, (*Task).putMany},
		{"many down", "downloads by a pattern", true, (*Task).getMany},
		{"tree up", "uploads of trees", true, (*Task).putTree},
		{"tree down", "downloads of trees", true, (*Task).getTree},
		{"time up", "uploads with the file's time", true, (*Task).putTime},
		{"time down", "downloads with the file's time", true, (*Task).getTime},
	}
	NameCases = []Case{
		{"list", "lists", true, (*Task).list},
		{"odd names up", "uploads under odd names", false, (*Task).oddUp},
		{"odd names down", "downloads of odd names", false, (*Task).oddDown},
		{"make directory", "making directories", false, (*Task).mkdir},
		{"remove directory", "removing directories", false, (*Task).rmdir},
		{"rename", "renaming", false, (*Task).rename},
		{"delete", "deleting", false, (*Task).remove},
		{"size", "sizes", false, (*Task).size},
		{"time", "times", false, (*Task).time},
	}
	ExtraCases = []Case{
		{"mirror", "`mirror` and `mirror -R`, four files at a time, then again with `--delete` after changes on either side", true, (*Task).mirror},
		{"sync", "`sync` both ways, four files at a time, then again after changes on either side, and `check`", false, (*Task).mirror},
		{"pget", "`pget -n 4`", true, (*Task).pget},
		{"queue", "`queue`", true, (*Task).queue},
		{"methods", "every method that a script may call", true, (*Task).methods},
		{"large", "a file of 1 GiB up and down", false, (*Task).large},
	}
)

// fewSizes is how many of a suite's sizes a second mode gets, which the program handles like the first one.
const fewSizes = 3

// Run runs all cases with all clients in the directory scripts, and compares the results with the page. Each client's Task is a copy
// of e, which has the server and the bucket.
func (s Suite) Run(t *testing.T, e Task) {
	e.Local, e.names = t.TempDir(), s.OddNames
	for _, size := range s.Sizes {
		f := harness.Sample{Name: fmt.Sprintf("%d bytes", size), Size: size}
		f.Sum = harness.MakeFile(t, filepath.Join(e.Local, f.Name), size)
		e.Bucket.PutFile("samples/"+f.Name, filepath.Join(e.Local, f.Name))
		e.Files = append(e.Files, f)
	}
	all, cases := readClients(t, s.Modes), make(map[string]Task)
	for _, c := range all {
		for i, mode := range s.Modes {
			e.Client, e.Mode, e.second = c, mode, i > 0
			cases[strings.TrimSpace(filepath.Base(c.Script)+" "+mode)] = e
		}
	}
	var mu sync.Mutex
	harness.SomeAtOnce(t, s.Parallel, cases, func(t *testing.T, place string, e Task) {
		e.Path = e.Find(t)
		e.T, e.Home = t, place
		results := s.everywhere(t, e)
		mu.Lock()
		defer mu.Unlock()
		e.results[e.Mode] = results
	})
	if !t.Failed() {
		s.checkPage(t, all)
	}
}

// Find skips the test if a program of the client is missing. It returns a directory to search first for them.
func (c *Client) Find(t *testing.T) (path string) {
	for _, p := range c.needs {
		switch {
		case p == "rclone": // which test/all builds
			path = filepath.Dir(real.Rclone(t)) + string(filepath.ListSeparator)
		case strings.HasPrefix(p, "/"): // of a library
			if _, err := os.Stat(p); err != nil {
				real.Missing(t, p)
			}
		default:
			real.Client(t, p)
		}
	}
	return path
}

// everywhere runs all cases, each in an existing directory of the server.
func (s Suite) everywhere(t *testing.T, e Task) map[string]Verdict {
	results := make(map[string]Verdict)
	all := slices.DeleteFunc(slices.Concat(s.Files, s.Names, s.Extras), func(c Case) bool {
		return !c.Data && e.second || s.isExtra(c) && !slices.Contains(e.also, c.Name)
	})
	for _, c := range all {
		t.Run(c.Name, func(t *testing.T) {
			e := e
			e.T, e.Bucket.T, e.Dir = t, t, t.TempDir()
			e.Home += "/" + strings.ReplaceAll(c.Name, " ", "-")
			e.Bucket.Put(e.Home+"/", "")
			v, err := Verdict{"yes", ""}, c.Run(&e)
			if err != nil && !errors.As(err, &v) {
				t.Error(err)
			}
			results[c.Name] = v
			e.Bucket.Empty(e.Home + "/")
		})
	}
	return results
}

// isExtra reports whether only some clients support the case.
func (s Suite) isExtra(c Case) bool {
	return slices.ContainsFunc(s.Extras, func(x Case) bool { return x.Name == c.Name })
}
