package main

import (
	"context"
	"fmt"
	"io"
	"net/textproto"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy/grant"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// The quota of a user holds through FTP, for small uploads and for uploads in parts. What exceeds it leaves nothing in the bucket.
func TestUserQuota(t *testing.T) {
	for name, s := range keyServices(t) {
		t.Run(name, func(t *testing.T) {
			file := usersFileOf(t, "", `
defaults: {bucket: invoices, prefix: "{user}/"}
users:
  - {name: alice, password: $alice, quota: {size: 12MiB, files: 3}}
  - {name: bob, password: $bob, quota: {size: 20MiB}, permissions: dropbox, mounts: {/in: {prefix: alice/}, /all: {prefix: "", permissions: ro}}}
  - {name: carol, password: $carol}
  - {name: dan, password: $dan, quota: {size: 20MiB}, mounts: {/in: {prefix: alice/}, /own: {prefix: "dan/"}}}
`, "alice", "bob", "carol", "dan")
			r, address := startUsers(t, s, file, "--part-size", "5MiB")
			exchange(t, keyLogin(t, address, "carol", "pw-carol", 230), "STOR f", "not where the others can write")
			alice, bob := keyLogin(t, address, "alice", "pw-alice", 230), keyLogin(t, address, "bob", "pw-bob", 230)
			const mib = 1 << 20
			bytes := func(n int) string { return strings.Repeat("x", n) }
			left := func(c *textproto.Conn, want int) {
				t.Helper()
				if text := expect(t, c, "AVBL", 213); text != fmt.Sprint(want) {
					t.Errorf("AVBL replies %s, want %d", text, want)
				}
			}
			left(alice, 12*mib)
			refuseAtLimit(t, alice, "STOR large", bytes(13*mib))
			checkAbsent(t, s, "alice/large")
			expect(t, alice, "SIZE large", 550)
			left(alice, 12*mib)
			exchange(t, alice, "STOR f", bytes(4*mib))
			left(alice, 8*mib)
			if text := expect(t, alice, "SITE QUOTA", 211); !strings.Contains(text, " Stored: 4194304 of 12582912 bytes, 8388608 left\n Stored: 1 of 3 files, 2 left\n") {
				t.Errorf("SITE QUOTA replies %q", text)
			}
			expect(t, alice, "ALLO 8388609", 200)
			refuse(t, alice, "STOR g")
			exchange(t, alice, "STOR f", bytes(3*mib))
			left(alice, 9*mib)
			exchange(t, alice, "APPE f", bytes(1))
			left(alice, 9*mib-1)
			left(bob, 17*mib-1) // the place of alice, and not the mount that bob can only read
			exchange(t, bob, "STOR /in/new", bytes(9*mib-1))
			left(alice, 0)
			refuse(t, alice, "STOR g")
			refuse(t, alice, "APPE f")
			expect(t, alice, "RNFR new", 350)
			expect(t, alice, "RNTO f", 250)
			left(alice, 3*mib+1)
			expect(t, alice, "DELE f", 250)
			left(alice, 12*mib)
			dan := keyLogin(t, address, "dan", "pw-dan", 230)
			exchange(t, dan, "STOR /in/f", bytes(mib))
			left(alice, 11*mib)
			expect(t, dan, "RNFR /in/f", 350)
			expect(t, dan, "RNTO /own/f", 250)
			left(alice, 12*mib)
			left(dan, 19*mib)
			for _, name := range []string{"1", "2", "3"} {
				exchange(t, alice, "STOR "+name, "x")
			}
			refuse(t, alice, "STOR 4")
			exchange(t, alice, "STOR 3", "yy")
			left(alice, 0) // no new file
			r.stderr.await(t, `"msg":"quota counted","user":"alice","bucket":"invoices","prefix":"alice/","bytes":0,"files":0`)
		})
	}
}

// checkAbsent checks that there is neither an object nor an open upload.
func checkAbsent(t *testing.T, service keyService, key string) {
	t.Helper()
	client := (&real.S3{Endpoint: service.endpoint, Region: service.region, AccessKey: service.key, SecretKey: service.secret}).Client()
	bucket := "invoices"
	uploads, err := client.ListMultipartUploads(context.Background(), &s3.ListMultipartUploadsInput{Bucket: &bucket, Prefix: &key})
	if err != nil || len(uploads.Uploads) > 0 {
		t.Errorf("%d uploads to %s are open, %v", len(uploads.Uploads), key, err)
	}
	objects, err := client.ListObjectsV2(context.Background(), &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &key})
	if err != nil || len(objects.Contents) > 0 {
		t.Errorf("%d objects have the prefix %s, %v", len(objects.Contents), key, err)
	}
}

// Of uploads at the same time that together exceed the quota, those that fit are stored.
func TestUserQuotaOfUploadsAtOnce(t *testing.T) {
	for name, s := range keyServices(t) {
		t.Run(name, func(t *testing.T) {
			file := usersFileOf(t, "", `
defaults: {bucket: invoices, prefix: "{user}/"}
users:
  - {name: alice, password: $alice, quota: {size: 15MiB}}
`, "alice")
			_, address := startUsers(t, s, file, "--part-size", "5MiB")
			content := strings.Repeat("x", 10<<20)
			upload := func(c *textproto.Conn, name string) (code int, err error) {
				data := openData(t, c)
				defer data.Close()
				expect(t, c, "STOR "+name, 150)
				io.WriteString(data, content) // fails at the limit
				data.Close()
				code, _, err = c.ReadResponse(0)
				return code, err
			}
			codes := make(chan int)
			for _, name := range []string{"a", "b"} {
				c := keyLogin(t, address, "alice", "pw-alice", 230)
				go func() {
					code, err := upload(c, name)
					if err != nil {
						t.Error(err)
					}
					codes <- code
				}()
			}
			first, second := <-codes, <-codes
			if max(first, second) != 552 {
				t.Errorf("the replies are %d and %d: both uploads are stored", first, second)
			}
			c := keyLogin(t, address, "alice", "pw-alice", 230)
			stored := 0
			if min(first, second) == 226 {
				stored = len(content)
			}
			if text := expect(t, c, "AVBL", 213); text != fmt.Sprint(15<<20-stored) {
				t.Errorf("AVBL replies %s", text)
			}
			for _, name := range []string{"a", "b"} {
				if c.PrintfLine("SIZE %s", name); stored == 0 {
					expect(t, c, "", 550)
				}
			}
		})
	}
}

// While a quota cannot be counted, uploads are refused for the moment, and the log has the reason.
func TestUncountedQuota(t *testing.T) {
	file := usersFileOf(t, "", `
users:
  - {name: alice, password: $alice, bucket: invoices, quota: {size: 100}, s3: {access-key: unknown, secret-key: canary-unknown}}
`, "alice")
	r, address := startUsers(t, embeddedKeys(t), file)
	alice := keyLogin(t, address, "alice", "pw-alice", 230)
	expect(t, alice, "EPSV", 229)
	expect(t, alice, "STOR f", 450)
	expect(t, alice, "AVBL", 450)
	r.stderr.await(t, `"level":"WARN","msg":"quota not counted","user":"alice","bucket":"invoices","prefix":"","err":`)
}

// Without a session, nothing is counted.
func TestQuotaWithoutSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limitsOfUsers{usages: grant.NewUsages(t.Context())}
		defer l.usages.Close()
		u, counts := &config.User{Name: "alice", Quota: config.UserQuota{Files: 1}}, 0
		place := grant.Place{Dir: "/", Usage: func(context.Context) (bytes, files int64, err error) { counts++; return 0, 0, nil }}
		for range 2 {
			l.take(u.Name).set(u, []grant.Place{place})
		}
		l.giveBack(u.Name)
		<-time.After(time.Hour)
		synctest.Wait()
		if counts != 2 {
			t.Errorf("after an hour of a session: %d counts, want 2", counts)
		}
		l.giveBack(u.Name)
		<-time.After(3 * time.Hour)
		if counts != 2 {
			t.Errorf("without a session: %d counts, want 2", counts)
		}
	})
}

// A changed quota holds from the next command on, and the quota of a user who is removed is no longer counted.
func TestChangedQuota(t *testing.T) {
	const text = `
defaults: {bucket: invoices, prefix: "{user}/"}
users:
  - {name: alice, password: $alice, quota: {size: 100}}
  - {name: bob, password: $bob}
`
	file := usersFileOf(t, "", text, "alice", "bob")
	r, address := startUsers(t, embeddedKeys(t), file)
	alice, bob := keyLogin(t, address, "alice", "pw-alice", 230), keyLogin(t, address, "bob", "pw-bob", 230)
	reload := func(old, now string) {
		t.Helper()
		usersFileOf(t, file, strings.Replace(text, old, now, 1), "alice", "bob")
		r.stderr.forget()
		hangUp(t)
		r.stderr.await(t, `"msg":"users changed"`)
	}
	exchange(t, alice, "STOR f", "1234567890")
	reload("size: 100", "size: 15")
	if left := expect(t, alice, "AVBL", 213); left != "5" {
		t.Errorf("with a smaller quota, AVBL replies %s", left)
	}
	refuseAtLimit(t, alice, "STOR g", "123456")
	reload(", quota: {size: 100}", "")
	if text := expect(t, alice, "SITE QUOTA", 211); text != "No quota." {
		t.Errorf("without a quota, SITE QUOTA replies %s", text)
	}
	exchange(t, alice, "STOR g", strings.Repeat("x", 200))
	expect(t, alice, "DELE g", 250)
	reload("$bob}", "$bob, quota: {files: 1}}")
	exchange(t, bob, "STOR f", "x")
	refuse(t, bob, "STOR g")
	reload("  - {name: alice, password: $alice, quota: {size: 100}}\n", "")
	expect(t, alice, "", 421)
	reload("size: 100", "size: 10")
	alice = keyLogin(t, address, "alice", "pw-alice", 230)
	refuse(t, alice, "STOR h")
}
