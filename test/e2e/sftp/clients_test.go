package sftp

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
	"github.com/s3ftpd/s3ftpd/test/e2e/scenario"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// oddNames are those of harness.OddNames that clients handle in different ways.
var oddNames = []string{"st*r", `back\slash`, "größe 日本", harness.OddNames[len(harness.OddNames)-1]}

// TestClients runs every case with every client, checks the results in the bucket, and compares them with docs/sftp-clients.md.
func TestClients(t *testing.T) {
	server := real.MinIO(t)
	b := start(t, server)
	strangers := newKeys(t).env(t, b.addr)
	s := scenario.Suite{
		Files: append(slices.Clone(scenario.FileCases),
			scenario.Case{Name: "shorter", What: "uploads over a longer file", Run: shorter},
			scenario.Case{Name: "8 at once", What: "eight at once", Run: atOnce}),
		Names: append(slices.Clone(scenario.NameCases),
			scenario.Case{Name: "wrong password", What: "a wrong password", Run: wrongPassword},
			scenario.Case{Name: "other host key", What: "a host key that is not known", Run: func(e *scenario.Task) error {
				if e.Slow {
					return inWindow
				}
				return refused(e, strangers...)
			}}),
		Extras: scenario.ExtraCases, Modes: []string{""}, Parallel: 4,
		Sizes: []int64{0, 1, 5*harness.MiB + 1, 8 * harness.MiB, 20 * harness.MiB}, OddNames: oddNames,
		Page: "sftp-clients.md", Test: "./test/e2e/sftp -run TestClients",
	}
	s.Run(t, scenario.Task{Server: b.Server, Addr: b.addr, Bucket: harness.NewBucket(t, server), Download: "READ", Done: "0", Env: append(b.env, "CACHE="+t.TempDir())})
}

// inWindow is the verdict on what FileZilla's script cannot do.
var inWindow = scenario.Verdict{Word: "not tried", Reason: "only in its window, not by its queue"}

// shorter uploads a file over a longer one, and the next one over that.
func shorter(e *scenario.Task) error {
	files := []harness.Sample{e.Files[2], e.Files[1], e.Files[0]} // 5 MiB + 1, 1 and 0 bytes
	for _, f := range files {
		if _, err := e.Do("put", filepath.Join(e.Local, f.Name), e.Remote("file")); err != nil {
			return err
		}
		if err := e.Stored("file", f.Sum); err != nil {
			return err
		}
	}
	return nil
}

// atOnce runs eight clients at the same time: four up, and four down.
func atOnce(e *scenario.Task) error {
	if e.Slow {
		return inWindow
	}
	f := e.Files[2]
	var all sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		name := fmt.Sprint("file", i)
		all.Go(func() {
			if i%2 == 0 {
				_, errs[i] = e.Do("put", filepath.Join(e.Local, f.Name), e.Remote(name))
				return
			}
			_, errs[i] = e.Do("get", "/samples/"+f.Name, filepath.Join(e.Dir, name))
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return errs[slices.IndexFunc(errs, func(err error) bool { return err != nil })]
	}
	for i := range errs {
		name, check := fmt.Sprint("file", i), e.Stored
		if i%2 == 1 {
			name, check = filepath.Join(e.Dir, name), e.Received
		}
		if err := check(name, f.Sum); err != nil {
			return err
		}
	}
	return nil
}

func wrongPassword(e *scenario.Task) error { return refused(e, "FTP_PASSWORD=wrong") }

// refused returns an error unless the client fails to upload with these variables.
func refused(e *scenario.Task, env ...string) error {
	e.Env = append(slices.Clone(e.Env), env...)
	_, err := e.Do("put", filepath.Join(e.Local, e.Files[1].Name), e.Remote("file"))
	switch verdict := (scenario.Verdict{}); {
	case errors.As(err, &verdict):
		return verdict
	case err == nil:
		return errors.New("it reports success")
	}
	e.T.Log(err)
	if sum := e.Bucket.Sum(e.Home + "/file"); sum != "absent" {
		return errors.New("there is an object")
	}
	return nil
}
