package config

import (
	"bytes"
	"fmt"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"
	"unsafe"
)

// manyUsers returns a file of that many users, as an administrator might write it.
func manyUsers(n int) []byte {
	var b bytes.Buffer
	b.WriteString("defaults:\n  bucket: invoices\n  prefix: customers/{user}/\n  permissions: rw\n  allow-from: [192.0.2.0/24]\nusers:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - name: customer-%06d   # branch %d\n    password: %s\n", i, i%97, argonExample)
		fmt.Fprintf(&b, "    public-keys:\n      - %s customer-%06d@laptop\n", line("ssh-ed25519", "ssh-ed25519", fmt.Sprintf("%032d", i)), i)
		switch i % 4 {
		case 1:
			b.WriteString("    max-sessions: 5\n    protocols: [ftps, sftp]\n    expires: 2027-01-31\n")
		case 2:
			fmt.Fprintf(&b, "    mounts:\n      /in:  {prefix: in/%d/, permissions: dropbox}\n      /out: {bucket: reports, prefix: 'out/{user}/', permissions: ro}\n", i)
		case 3:
			b.WriteString("    allow-from: [198.51.100.0/24, 2001:db8::/32]\n    attributes: {storage-class: STANDARD_IA, tags: {team: finance}}\n")
		}
	}
	return b.Bytes()
}

const heapMetric = "/memory/classes/heap/objects:bytes"

// heap returns the bytes in use on the heap.
func heap() int64 {
	samples := []metrics.Sample{{Name: heapMetric}}
	metrics.Read(samples)
	return int64(samples[0].Value.Uint64())
}

// A user with a public key takes less than 2 KiB in memory, and reading 10,000 of them less than 64 MiB.
func TestUsersMemory(t *testing.T) {
	const n = 10_000
	file := manyUsers(n)
	runtime.GC()
	before := heap()
	done, peaks := make(chan struct{}), make(chan int64)
	go func() {
		ticker := time.NewTicker(200 * time.Microsecond)
		defer ticker.Stop()
		for peak := before; ; {
			select {
			case <-ticker.C:
				peak = max(peak, heap())
			case <-done:
				peaks <- peak
				return
			}
		}
	}()
	users, err := ParseUsers("users.yaml", file, &Config{})
	close(done)
	peak := <-peaks - before + int64(len(file))
	if err != nil || len(users.All()) != n {
		t.Fatalf("%v", err)
	}
	runtime.GC()
	each := (heap() - before) / n
	t.Logf("%d bytes a user, peak %d KiB, file %d KiB", each, peak>>10, len(file)>>10)
	if each > 2048 || peak > 64<<20 {
		t.Errorf("%d bytes a user, peak %d KiB", each, peak>>10)
	}
	runtime.KeepAlive(users)
	runtime.KeepAlive(file)
}

// Users share equal values, those of the defaults and their own.
func TestUsersShare(t *testing.T) {
	users := parsed(t, nil, `
defaults:
  allow-from: [192.0.2.0/24]
  s3: {access-key: common, secret-key: hushhush}
users:
  - {name: alice, password: HASH, bucket: invoices, permissions: [list, read], attributes: {acl: private}, certificate: CN=all}
  - {name: bob, password: HASH, bucket: invoices, permissions: ro, attributes: {acl: private}, certificate: CN=all}
  - {name: carol, password: HASH, allow-from: [198.51.100.0/24, 203.0.113.0/24]}
  - {name: dave, password: HASH, allow-from: [198.51.100.0/24, 203.0.113.0/24]}
`)
	alice, bob, carol, dave := users.Lookup("alice"), users.Lookup("bob"), users.Lookup("carol"), users.Lookup("dave")
	for name, shared := range map[string]bool{
		"bucket":      unsafe.StringData(alice.Mounts[0].Bucket) == unsafe.StringData(bob.Mounts[0].Bucket),
		"certificate": unsafe.StringData(alice.Certificate) == unsafe.StringData(bob.Certificate),
		"permissions": &alice.Permissions[0] == &bob.Permissions[0],
		"networks":    &alice.AllowFrom[0] == &bob.AllowFrom[0],
		"own ones":    &carol.AllowFrom[0] == &dave.AllowFrom[0],
		"s3":          alice.S3 == bob.S3,
	} {
		if !shared {
			t.Errorf("two users have equal values of their own: %s", name)
		}
	}
}

func BenchmarkLoadUsers(b *testing.B) {
	file := manyUsers(10_000)
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseUsers("users.yaml", file, &Config{}); err != nil {
			b.Fatal(err)
		}
	}
}
