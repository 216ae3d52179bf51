package sftp

import (
	"errors"
	"io"
	"testing"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// Command lines of network devices and programs store a file, one after the other on one connection, also after a pty was granted. The
// events are those of an upload.
func TestExecOfSCP(t *testing.T) {
	store := storetest.NewMemory()
	lines := map[string]string{
		"scp -t startup-config":       "/startup-config",    // Cisco IOS
		"scp -v -t router_juniper.gz": "/router_juniper.gz", // Junos: OpenSSH with -v
		"scp -p -t -- -odd":           "/-odd",              // OpenSSH
		"scp -pt 'a b'":               "/a b",               // libssh2
		`/usr/bin/scp -qt "it's"`:     "/it's",              // go-scp
	}
	inBubble(t, withStore(store), func(b *bench) {
		client := b.mustDial(clientConfig())
		for line, name := range lines {
			channel := b.open(client)
			channel.request("pty-req", "x")
			if !channel.request("exec", line) {
				t.Fatalf("%s is refused", line)
			}
			answers := ""
			for _, sent := range []string{"", "C0644 5 config\n", "hello\x00"} {
				io.WriteString(channel, sent)
				answer := make([]byte, 1)
				io.ReadFull(channel, answer)
				answers += string(answer)
			}
			channel.CloseWrite()
			rest, _ := io.ReadAll(channel)
			if <-channel.ended; answers != "\x00\x00\x00" || len(rest) > 0 || channel.status != 0 || len(channel.said) > 0 {
				t.Errorf("%s: %q, %q, exit status %d, %q", line, answers, rest, channel.status, channel.said)
			}
			if got := string(store.Files[name].Data); got != "hello" {
				t.Errorf("%s: %s has %q", line, name, got)
			}
		}
		client.Close()
	})
	if len(store.Files) != len(lines) {
		t.Errorf("%d files, want %d", len(store.Files), len(lines))
	}
}

// Command lines that are not exactly of SCP say one line and fail. rsync, and rclone with its hash commands, go on without.
func TestExecRefused(t *testing.T) {
	for line, want := range map[string]string{
		"rsync --server -vlogDtpre.iLsfxC . /a": served + "\n",
		"md5sum /a":                             served + "\n",
		"sha1sum /a":                            served + "\n",
		"scp -t a; ls":                          "scp: the command has characters that only a shell would understand, or an open quote\n",
		"scp -S ls -t a":                        "scp: expected scp -t PATH or scp -f PATH, with the options -d, -p, -q, -r and -v\n",
		"scp -t a b":                            "scp: ambiguous target: -t has one path\n",
	} {
		store := storetest.NewMemory()
		inBubble(t, withStore(store), func(b *bench) {
			client := b.mustDial(clientConfig())
			channel := b.open(client)
			if !channel.request("exec", line) {
				t.Errorf("%s: the request is refused", line)
			}
			stdout, _ := io.ReadAll(channel)
			<-channel.ended
			if len(stdout) > 0 || string(channel.said) != want || channel.status != 1 || len(store.Files) > 0 {
				t.Errorf("%s: %q, %q, exit status %d", line, stdout, channel.said, channel.status)
			}
			if e := only[event.CommandFailed](t, b.events); e.Command != "exec" || e.Name != line || e.Cause != event.CauseRequest {
				t.Errorf("%s: %+v", line, e)
			}
			client.Close()
		})
	}
}

// Transfers by SCP are reported as those of SFTP, and their command tells them apart.
func TestEventsOfSCP(t *testing.T) {
	store := storetest.NewMemory()
	inBubble(t, withStore(store), func(b *bench) {
		client := b.mustDial(clientConfig())
		for line, sent := range map[string]string{"scp -t a": "C0644 5 a\nhello\x00", "scp -t b": "C0644 5 b\nhel", "scp -f missing": "\x00"} {
			channel := b.open(client)
			channel.request("exec", line)
			io.WriteString(channel, sent)
			channel.CloseWrite()
			io.ReadAll(channel)
			<-channel.ended
		}
		client.Close()
		for _, e := range all[event.TransferEnd](b.events) {
			want := event.TransferEnd{Direction: proxy.Upload, Command: "scp -t", Name: e.Name, Bytes: 5, Opened: true, Stored: e.Stored, Duration: e.Duration}
			if e.Name == "/b" {
				want.Bytes, want.Cause, want.Err, want.Code = 3, event.CauseClient, e.Err, e.Code
			}
			if e != want || e.Name == "/b" && !errors.Is(e.Err, errChannelLost) {
				t.Errorf("%+v, want %+v", e, want)
			}
		}
		if n := len(all[event.TransferEnd](b.events)); n != 2 {
			t.Errorf("%d transfers, want 2", n)
		}
		e := only[event.CommandFailed](t, b.events)
		if e.Command != "scp -f" || e.Name != "/missing" || e.Cause != event.CauseRequest {
			t.Errorf("%+v", e)
		}
	})
}
