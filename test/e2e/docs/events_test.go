package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// TestEventsDoc runs the commands of docs/events.md with the receiver in Python, which verifies the signatures and refuses wrong ones.
func TestEventsDoc(t *testing.T) {
	for _, p := range []string{"curl", "openssl", "python3"} {
		real.Client(t, p)
	}
	commands := readCommands(t)
	dir, ftp, at := t.TempDir(), real.FreeAddr(t), real.FreeAddr(t)
	program := textBlock(t, "events.md", "events receiver")
	if n := strings.Count(program, "\n"); n > 22 {
		t.Errorf("the receiver has %d lines", n)
	}
	program = strings.ReplaceAll(program, "8080", at[strings.LastIndexByte(at, ':')+1:])
	if err := os.WriteFile(filepath.Join(dir, "receiver.py"), []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	here := strings.NewReplacer("127.0.0.1:8080", at, "127.0.0.1:2121", ftp)
	harness.Run(t, dir, "", "sh", "-ec", commands.get(t, "events secret"))

	receiver := exec.Command("sh", "-ec", "exec "+commands.get(t, "events receiver"))
	receiver.Dir = dir
	log := harness.NewLog()
	receiver.Stdout, receiver.Stderr = log, log
	if err := receiver.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		receiver.Process.Kill()
		receiver.Wait()
		if t.Failed() {
			t.Log(log.Tail(60))
		}
	})
	daemon(t, "cd '"+dir+"'; exec "+here.Replace(commands.get(t, "events demo"))+" --ftp "+ftp+" --ftps "+real.FreeAddr(t)+" --s3 "+real.FreeAddr(t), nil)
	harness.Run(t, dir, "", "sh", "-ec", here.Replace(commands.get(t, "events client")))
	for _, event := range []string{"com.s3ftpd.login {", `com.s3ftpd.upload.completed {"bucket": "demo", "bytes": 6,`} {
		harness.Until(t, event, func() bool { return strings.Contains(log.Tail(10), event) })
	}

	for _, signature := range []string{"t=1,v1=00", "t=" + strconv.FormatInt(time.Now().Unix(), 10) + ",v1=00"} {
		status := harness.Run(t, dir, "", "curl", "-sS", "-o", "answer", "-w", "%{http_code}", "-d", "{}", "-H", "X-S3ftpd-Signature: "+signature, "http://"+at+"/")
		if status != "401" {
			t.Errorf("the signature %s is answered with %s", signature, status)
		}
	}
}
