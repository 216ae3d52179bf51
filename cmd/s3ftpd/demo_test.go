package main

import (
	"bytes"
	"io"
	"net"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/test/real"
)

var ftpIsOn = regexp.MustCompile(`FTP is on ([0-9.:]+),`)

// startDemo runs a demo on free ports. It returns the address of its FTP listener and its output.
func startDemo(t *testing.T, dir string, args ...string) (r *running, address, text string) {
	t.Helper()
	r = start(t, nil, append([]string{"demo", "--dir", dir, "--ftp", "127.0.0.1:0", "--ftps", "127.0.0.1:0", "--sftp", "127.0.0.1:0",
		"--s3", "127.0.0.1:0", "--passive-ports", "1024-65535"}, args...)...)
	text = r.stdout.await(t, "Ctrl-C")
	return r, ftpIsOn.FindStringSubmatch(text)[1], text
}

// transfer runs a command with a passive data connection, and sends data unless it is empty.
func transfer(t *testing.T, address, command, data string) string {
	t.Helper()
	c := dial(t, address)
	expect(t, c, "USER demo", 331)
	expect(t, c, "PASS demo", 230)
	expect(t, c, "TYPE I", 200)
	conn := passiveData(t, c)
	defer conn.Close()
	expect(t, c, command, 150)
	if data != "" {
		io.WriteString(conn, data)
		conn.Close()
	}
	got, _ := io.ReadAll(conn)
	expect(t, c, "", 226)
	expect(t, c, "QUIT", 221)
	return string(got)
}

// passiveData opens a passive data connection.
func passiveData(t *testing.T, c *textproto.Conn) net.Conn {
	t.Helper()
	port := strings.Split(expect(t, c, "EPSV", 229), "|")[3]
	conn, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// A second demo with the same directory has the files of the first.
func TestDemo(t *testing.T) {
	dir := t.TempDir()
	r, address, _ := startDemo(t, dir)
	transfer(t, address, "STOR hello.txt", "Hello, bucket!")
	if got := transfer(t, address, "RETR hello.txt", ""); got != "Hello, bucket!" {
		t.Errorf("got %q", got)
	}
	r.end(t)
	_, address, _ = startDemo(t, dir)
	if got := transfer(t, address, "RETR hello.txt", ""); got != "Hello, bucket!" {
		t.Errorf("the next time: got %q", got)
	}
}

// With S3 keys as logins, those of the demo's store log in.
func TestDemoWithS3Keys(t *testing.T) {
	_, address, text := startDemo(t, t.TempDir(), "--auth", "s3")
	if !strings.Contains(text, "for S3 keys: user demo, password demo-secret.") || !strings.Contains(text, "ftp://demo:demo-secret@"+address+"/") {
		t.Errorf("the welcome is\n%s", text)
	}
	keyLogin(t, address, "demo", "demo", 530)
	c := keyLogin(t, address, "demo", "demo-secret", 230)
	exchange(t, c, "STOR f", "content")
	if got := exchange(t, c, "RETR f", ""); got != "content" {
		t.Errorf("got %q", got)
	}
	_, address, _ = startDemo(t, t.TempDir(), "--auth", "s3", "--user", "alice")
	keyLogin(t, address, "alice", "demo", 230)
	keyLogin(t, address, "demo", "demo-secret", 230)
}

func TestDemoOfDirectoryInUse(t *testing.T) {
	dir := t.TempDir()
	startDemo(t, dir)
	code, _, text := output(t, "", nil, "demo", "--dir", dir, "--ftp", "127.0.0.1:0", "--ftps", "127.0.0.1:0", "--s3", "127.0.0.1:0")
	if code != exitFailure || !strings.Contains(text, dir) {
		t.Errorf("%d, %s", code, text)
	}
}

// Ports in use are replaced, and the commands to paste have the new ones.
func TestDemoFindsPorts(t *testing.T) {
	var taken [4]net.Listener
	for i := range taken {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		taken[i] = l
	}
	ftp, ftps, sftp, s3 := taken[0].Addr().String(), taken[1].Addr().String(), taken[2].Addr().String(), taken[3].Addr().String()
	_, address, text := startDemo(t, t.TempDir(), "--ftp", ftp, "--ftps", ftps, "--sftp", sftp, "--s3", s3)
	_, lines, _ := strings.Cut(text, "Files go")
	for option, at := range map[string]string{"--ftp": ftp, "--ftps": ftps, "--sftp": sftp, "--s3": s3} {
		if !strings.Contains(text, option+" "+at+" is taken") || strings.Contains(lines, at) {
			t.Errorf("%s %s:\n%s", option, at, text)
		}
	}
	if got := transfer(t, address, "NLST", ""); got != "" {
		t.Errorf("an empty bucket has %q", got)
	}
}

// The commands that the demo prints work, each as it is.
func TestDemoLines(t *testing.T) {
	for name, args := range map[string][]string{"as it is": nil, "with odd names": {"--user", "al;ice'", "--prefix", "a b/$c"}} {
		t.Run(name, func(t *testing.T) {
			_, _, text := startDemo(t, t.TempDir(), args...)
			pasted := 0
			for line := range strings.Lines(text) {
				if !strings.HasPrefix(line, "  ") {
					continue
				}
				for _, client := range []string{"curl", "lftp", "sftp", "scp", "aws"} {
					if strings.Contains(line, client+" ") && has(t, client) {
						pasted++
						paste(t, strings.TrimSpace(line))
					}
				}
			}
			if pasted < 9 {
				t.Errorf("%d lines in\n%s", pasted, text)
			}
		})
	}
}

// has reports whether a client is installed. Only aws may be missing.
func has(t *testing.T, client string) bool {
	t.Helper()
	if client == "aws" {
		_, err := exec.LookPath(client)
		return err == nil
	}
	real.Client(t, client)
	return true
}

func paste(t *testing.T, line string) {
	t.Helper()
	cmd := exec.Command("sh", "-c", line)
	cmd.Env = append(os.Environ(), "AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull,
		"SSH_ASKPASS="+askPass(t, "demo"), "SSH_ASKPASS_REQUIRE=force")
	cmd.Dir, cmd.Stdin = t.TempDir(), strings.NewReader("ls\n") // for sftp
	out, err := cmd.CombinedOutput()
	want := "hello.txt" // every listing has it
	if strings.HasSuffix(line, "hello.txt") || strings.HasSuffix(line, "hello.txt'") {
		want = "Hello, bucket!"
	}
	if strings.Contains(line, "-T -") || strings.HasPrefix(line, "scp ") {
		want = ""
	}
	if err != nil || !strings.Contains(string(out), want) {
		t.Errorf("%s\n%v: %s", line, err, out)
	}
}

// askPass writes a program that tells OpenSSH's clients a password.
func askPass(t *testing.T, password string) (name string) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "askpass")
	if err := os.WriteFile(name, []byte("#!/bin/sh\necho "+shellQuote(password)+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return name
}

// The commands do not contain a password that the user has chosen: the clients ask for it.
func TestWelcomeHidesPassword(t *testing.T) {
	l, err := listenNear(t.Context(), "--ftp", "127.0.0.1:0", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := &config.Config{User: "alice", Password: "canary", Bucket: "b", Region: "r", Endpoint: "http://127.0.0.1:9000", TLS: "optional"}
	text := welcome(c, listeners{ftp: l, ftps: l, sftp: l})
	for _, says := range []string{
		"curl -sS -u alice ftp://", "curl -sS -k --ssl-reqd -u alice ftp://", "curl -sS -k -u alice ftps://", "curl -sS -k -u alice sftp://",
		"lftp -u alice -e",
	} {
		if strings.Contains(text, "canary") || strings.Contains(text, "password ") || !strings.Contains(text, says+l.Addr().String()+"/") && says[0] == 'c' {
			t.Errorf("without %q:\n%s", says, text)
		}
	}
}

// With a users file the commands are for one of its users.
func TestWelcomeUsers(t *testing.T) {
	l, err := listenNear(t.Context(), "--ftp", "127.0.0.1:0", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := &config.Config{Users: "users.yaml", Bucket: "b", Region: "r", Endpoint: "http://127.0.0.1:9000", TLS: "off"}
	text := welcome(c, listeners{ftp: l})
	for _, says := range []string{", for the users of users.yaml. Try", "curl -sS -u NAME ftp://", "lftp -u NAME -e"} {
		if !strings.Contains(text, says) || strings.Contains(text, "user .") {
			t.Errorf("without %q:\n%s", says, text)
		}
	}
}

// Neither the welcome of the demo nor its log shows the URLs of the hook and of the receiver of events, which may have secrets.
func TestWelcomeHidesURLs(t *testing.T) {
	const secrets = "/canary-path?token=canary-token"
	r, address, text := startDemo(t, t.TempDir(), "--auth-url", "http://127.0.0.1:1"+secrets, "--event-url", "http://127.0.0.1:1"+secrets,
		"--log-level", "debug")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := &config.Config{AuthURL: "http://127.0.0.1:1" + secrets, EventURL: "http://127.0.0.1:1" + secrets, Bucket: "b", Region: "r", TLS: "off"}
	text += welcome(c, listeners{ftp: l})
	if !strings.Contains(text, "for the users of --auth-url. Try") {
		t.Errorf("the welcome is\n%s", text)
	}
	keyLogin(t, address, "alice", "wonderland", 530)
	r.stderr.await(t, `login.undecided`)
	r.end(t)
	if all := text + r.stdout.String() + r.stderr.String(); strings.Contains(all, "canary") {
		t.Errorf("a secret is in\n%s", all)
	}
}

func TestReachable(t *testing.T) {
	for from, want := range map[string]string{
		"0.0.0.0:1": "127.0.0.1:1", "[::]:1": "127.0.0.1:1", "192.0.2.1:1": "192.0.2.1:1", "[::1]:1": "[::1]:1",
	} {
		a, err := net.ResolveTCPAddr("tcp", from)
		if err != nil {
			t.Fatal(err)
		}
		if got := reachable(a); got != want {
			t.Errorf("%s: got %s, want %s", from, got, want)
		}
	}
}

// The demo's store is linked into the program, but adds at most 100 KiB of memory to the start of other commands.
func TestDemoWeighsNothing(t *testing.T) {
	cmd := program(t, "version")
	cmd.Env = append(cmd.Env, "GODEBUG=inittrace=1")
	var trace bytes.Buffer
	cmd.Stderr = &trace
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	seen, demo := 0, 0
	for _, m := range initLine.FindAllStringSubmatch(trace.String(), -1) {
		seen++
		if ofDemo.MatchString(m[1]) {
			size, err := strconv.Atoi(m[2])
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s takes %d bytes", m[1], size)
			demo += size
		}
	}
	const most = 100 << 10
	if demo > most || seen < 10 {
		t.Errorf("the demo's packages take %d bytes at every start; in all there are %d packages:\n%s", demo, seen, trace.String())
	}
}

// initLine matches the line about the initialization of one package that the Go runtime prints.
var initLine = regexp.MustCompile(`(?m)^init (\S+) @.* (\d+) bytes, \d+ allocs`)

// ofDemo matches the packages that only the demo needs.
var ofDemo = regexp.MustCompile(`/s3demo$`)
