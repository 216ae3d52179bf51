package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// demoProcess starts a demo in a separate process. It returns the process and the address of its FTP listener.
func demoProcess(t *testing.T, args ...string) (*exec.Cmd, string) {
	t.Helper()
	cmd := program(t, real.Arguments(append([]string{"demo", "--dir", t.TempDir(), "--ftp", "127.0.0.1:0", "--ftps", "127.0.0.1:0", "--s3", "127.0.0.1:0"}, args...)...)...)
	cmd.Stderr = newConsole()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for s := bufio.NewScanner(out); s.Scan(); {
		if m := ftpIsOn.FindStringSubmatch(s.Text()); m != nil {
			return cmd, m[1]
		}
	}
	t.Fatal("the demo does not say where FTP is")
	return nil, ""
}

// After the first signal the program waits for a transfer and ends. The second signal kills it.
func TestSignals(t *testing.T) {
	cmd, address := demoProcess(t)
	c := dial(t, address)
	expect(t, c, "USER demo", 331)
	expect(t, c, "PASS demo", 230)
	port := strings.Split(expect(t, c, "EPSV", 229), "|")[3]
	conn, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	expect(t, c, "STOR endless", 150)
	cmd.Process.Signal(syscall.SIGTERM)
	awaitRefusal(t, address)
	fmt.Fprint(conn, "the transfer goes on")
	cmd.Process.Signal(syscall.SIGTERM)
	cmd.Wait()
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGTERM {
		t.Errorf("ended with %v", cmd.ProcessState)
	}
}

func TestOneSignalEndsWell(t *testing.T) {
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		cmd, address := demoProcess(t)
		transfer(t, address, "NLST", "")
		cmd.Process.Signal(signal)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %v", signal, err)
		}
	}
}

// SIGHUP reloads the certificate. It does not end the process, also without a certificate.
func TestHangup(t *testing.T) {
	d := newPairDir(t)
	first, second := issue(t, called("first"), year, nil), issue(t, called("second"), year, nil)
	d.put(first)
	cmd, address := demoProcess(t, "--tls-cert", d.c.TLSCert, "--tls-key", d.c.TLSKey, "--tls=optional")
	cmd.Stderr.(*console).await(t, `"listening"`)
	d.put(second)
	cmd.Process.Signal(syscall.SIGHUP)
	cmd.Stderr.(*console).await(t, "CN=second")
	transfer(t, address, "NLST", "")
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}

	plain, address := demoProcess(t, "--tls-self-signed=false", "--ftps=")
	plain.Stderr.(*console).await(t, `"listening"`)
	plain.Process.Signal(syscall.SIGHUP)
	transfer(t, address, "NLST", "")
	plain.Process.Signal(syscall.SIGTERM)
	if err := plain.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
}

// awaitRefusal waits until an address refuses connections.
func awaitRefusal(t *testing.T, address string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 12_000 {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return
		}
		conn.Close()
		<-tick.C
	}
	t.Fatal("it still listens")
}
