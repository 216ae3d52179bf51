package ack

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

var (
	seedFlag    = flag.Uint64("ack.seed", 0, "the seed of TestSeed; 0 = new ones, one after the other")
	seedsFlag   = flag.Int("ack.seeds", 1, "how many seeds TestSeed runs, from -ack.seed on")
	opsFlag     = flag.Int("ack.ops", 2000, "operations of a seed")
	profileFlag = flag.String("ack.profile", "embedded-2", "what TestSeed runs: embedded or minio, with -2 for two processes")
	patternFlag = flag.String("ack.pattern", "", "the only pattern that TestSeed runs; empty = all, and single operations")
	forFlag     = flag.Duration("ack.for", 0, "how long TestSeed runs")
	logFlag     = flag.Bool("ack.log", false, "show the log of s3ftpd after a failure")
	programFlag = flag.String("ack.program", "", "the s3ftpd to check; empty = it is built")
)

// program is the s3ftpd under test.
var program string

func TestMain(m *testing.M) {
	flag.Parse()
	dir, err := os.MkdirTemp("", "s3ftpd-ack-")
	if err != nil {
		panic(err)
	}
	program = *programFlag
	if program == "" {
		program, err = build(dir, "s3ftpd", "")
	}
	code := 1
	if err == nil {
		code = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, err)
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// build builds the program, with some of its files replaced if there is an overlay.
func build(dir, name, overlay string) (string, error) {
	path := filepath.Join(dir, name)
	args := []string{"build", "-ldflags", "-s -w", "-o", path}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	cmd := exec.Command("go", append(args, "../../cmd/s3ftpd")...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", name, err, out)
	}
	return path, nil
}

// check runs operations up to a number, or until a failure.
func (w *world) check(ops int) (done int) {
	for round := 0; done < ops && len(w.violations()) == 0; round++ {
		done += w.round(round)
	}
	return done
}

// report fails a test with the findings, and prints how to reproduce them.
func (w *world) report(t *testing.T, ops int) {
	for _, v := range w.violations() {
		t.Errorf("%s\nTo see it again: go test ./test/ack -run 'TestSeed$' -count 1 -ack.seed %d -ack.ops %d -ack.profile %s -ack.pattern %q", v, w.seed, ops, w.profile.name, *patternFlag)
	}
	for _, what := range sorted(w.counts) {
		t.Logf("%s: %d times", what, w.counts[what])
	}
}

// TestSeeds checks the program with the seeds of CI, in parallel, because they mostly wait.
func TestSeeds(t *testing.T) {
	var all sync.WaitGroup
	for seed, name := range []string{"embedded", "embedded-2", "minio", "minio-2", "embedded-2"} {
		all.Go(func() {
			t.Run(fmt.Sprintf("%d %s", seed+1, name), func(t *testing.T) {
				w := newWorld(t, program, uint64(seed+1), profiles[name])
				begin := time.Now()
				n := w.check(*opsFlag)
				t.Logf("%d operations in %v", n, time.Since(begin).Round(time.Second))
				w.report(t, *opsFlag)
			})
		})
	}
	all.Wait()
}

// TestSeed checks the program with the seed that the command line gives.
func TestSeed(t *testing.T) {
	if *seedFlag == 0 && *forFlag == 0 {
		t.Skip("-ack.seed says which, or -ack.for how long")
	}
	p, ok := profiles[*profileFlag]
	if !ok {
		t.Fatalf("there is no profile %q", *profileFlag)
	}
	if *patternFlag != "" {
		p = only(*profileFlag, *patternFlag)
	}
	first, end := *seedFlag, time.Now().Add(*forFlag)
	if first == 0 {
		first = uint64(time.Now().UnixNano())
	}
	for n := 0; n < *seedsFlag || time.Now().Before(end); n++ {
		seed := first + uint64(n)
		ok := t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newWorld(t, program, seed, p)
			w.check(*opsFlag)
			w.report(t, *opsFlag)
		})
		if !ok {
			break
		}
	}
}
