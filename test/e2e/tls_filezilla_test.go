package e2e

import (
	"bufio"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

//go:embed testdata/filezilla_queue.py
var filezillaQueue string

// tlsFileZilla has no command line for transfers, but keeps its queue in a file: it is started with a full one, on a screen that
// nobody sees, and told by a key to process it.
func tlsFileZilla(v tlsVisit) (string, error) {
	home := filepath.Join(v.dir, "home")
	begin, mode := "explicit", "passive"
	if v.implicit {
		begin = "implicit"
	}
	if v.active {
		mode = "active"
	}
	_, port, _ := strings.Cut(v.address(), ":")
	run(v.t, v.dir, filezillaQueue, append([]string{"python3", "-", home, port, begin, mode, user, password, v.b.ca, v.local, v.home, v.dir}, v.names()...)...)
	env := append(os.Environ(), "HOME="+home, "DISPLAY="+v.screen(), "LC_ALL=C.UTF-8", "DBUS_SESSION_BUS_ADDRESS=unix:path=/nonexistent",
		"GNUTLS_SYSTEM_PRIORITY_FILE="+v.onlyVersion())
	program := exec.CommandContext(v.t.Context(), "filezilla")
	program.Env = env
	if err := program.Start(); err != nil {
		return "", err
	}
	defer program.Wait()
	defer program.Process.Kill()
	if err := v.processQueue(env); err != nil {
		return "", err
	}
	until(v.t, "all files are there", func() bool { return len(v.missing()) == 0 })
	return "", nil
}

// screen starts an X server and returns its name.
func (v tlsVisit) screen() string {
	number, told, err := os.Pipe()
	if err != nil {
		v.t.Fatal(err)
	}
	defer number.Close()
	x := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "1024x768x24", "-nolisten", "tcp")
	x.ExtraFiles = []*os.File{told}
	if err := x.Start(); err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(func() { x.Process.Kill(); x.Wait() })
	told.Close()
	line, err := bufio.NewReader(number).ReadString('\n')
	if err != nil {
		v.t.Fatalf("Xvfb: %v", err)
	}
	return ":" + strings.TrimSpace(line)
}

// onlyVersion returns a configuration of GnuTLS that leaves one version of TLS: FileZilla itself can set the lowest one alone.
func (v tlsVisit) onlyVersion() string {
	off := map[string]string{"1.2": "tls1.3", "1.3": "tls1.2"}[v.version]
	name := filepath.Join(v.dir, "gnutls.conf")
	if err := os.WriteFile(name, []byte("[overrides]\ndisabled-version = "+off+"\n"), 0o666); err != nil {
		v.t.Fatal(err)
	}
	return name
}

// processQueue presses Ctrl-P in FileZilla's window, again if nothing comes of it.
func (v tlsVisit) processQueue(env []string) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 3 {
		key := exec.CommandContext(v.t.Context(), "timeout", "30", "xdotool", "search", "--sync", "--onlyvisible", "--name", "^FileZilla$",
			"windowfocus", "--sync", "key", "ctrl+p")
		key.Env = env
		if out, err := key.CombinedOutput(); err != nil {
			return fmt.Errorf("xdotool: %w\n%s", err, out)
		}
		for range 500 {
			if len(v.b.dataConnections(v.from, v.home)) > 0 {
				return nil
			}
			<-tick.C
		}
	}
	return fmt.Errorf("FileZilla does not process its queue")
}
