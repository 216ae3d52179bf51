package s3fs

import (
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

var (
	firstSession  = proxy.SessionInfo{ID: "first", User: " Jürgen 100%", Client: netip.MustParseAddrPort("[::ffff:192.0.2.7]:1025")}
	secondSession = proxy.SessionInfo{ID: "second", User: "bob", Client: netip.MustParseAddrPort("[2001:db8::1%eth0]:1026")}
)

// checkProvenance checks the provenance of an object; an empty user means none.
func checkProvenance(t *testing.T, f *FS, key, user, client, session string) {
	t.Helper()
	is := headOf(t, f, key).Metadata
	if is["ftp-user"] != user || is["ftp-client"] != client || is["ftp-session"] != session {
		t.Errorf("%s: metadata %v, want %s, %s, %s", key, is, user, client, session)
	}
	at, err := time.Parse(time.RFC3339, is["ftp-time"])
	if age := time.Since(at); (is["ftp-time"] == "") != (user == "") || user != "" && (err != nil || age < -time.Second || age > time.Hour) {
		t.Errorf("%s: ftp-time is %q, %v", key, is["ftp-time"], err)
	}
}

// Every object that a session writes has its provenance. An object that is renamed, or gets a time, keeps that of its content.
func TestProvenance(t *testing.T) {
	bothStores(t, func(t *testing.T, c *Client) {
		const user, client = "%20J%C3%BCrgen%20100%25", "192.0.2.7"
		f := NewFS(c, Options{Bucket: "files", PartSize: minPart, Provenance: true})
		one, two := proxy.WithSession(t.Context(), firstSession), proxy.WithSession(t.Context(), secondSession)
		must := func(_ proxy.Stored, err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(f.Put(one, "/small", storetest.Source(zeros(1)), proxy.Write{}))
		must(f.Put(one, "/large", storetest.Source(zeros(minPart+1)), proxy.Write{}))
		must(f.Put(one, "/appended", storetest.Source(zeros(1)), proxy.Write{}))
		must(f.Put(one, "/timed", storetest.WithModTime(zeros(1), time.Unix(1, 0)), proxy.Write{}))
		must(f.Mkdir(one, "/d"))
		must(f.Put(one, "/d/inside", storetest.Source(zeros(1)), proxy.Write{}))
		must(f.Put(t.Context(), "/replaced", storetest.Source(zeros(1)), proxy.Write{}))
		must(f.Put(two, "/replaced", storetest.Source(zeros(2)), proxy.Write{}))
		must(f.Put(two, "/appended", storetest.Source(zeros(1), storetest.All()), proxy.Write{}))
		must(f.Rename(two, "/small", "/renamed", false))
		must(f.Rename(two, "/d", "/e", false))
		must(f.SetTime(two, "/large", time.Unix(1, 0)))
		for _, key := range []string{"renamed", "large", "timed", "e/", "e/inside"} {
			checkProvenance(t, f, key, user, client, "first")
		}
		checkProvenance(t, f, "appended", "bob", "2001:db8::1", "second")
		checkProvenance(t, f, "replaced", "bob", "2001:db8::1", "second")
		if mtime := headOf(t, f, "timed").Metadata["mtime"]; mtime != "1" {
			t.Errorf("the time of the file is %q", mtime)
		}

		must(NewFS(c, Options{Bucket: "files"}).Put(one, "/off", storetest.Source(zeros(1)), proxy.Write{}))
		checkProvenance(t, f, "off", "", "", "")
	})
}

// An upload that another session resumes has the provenance of the session that began it.
func TestProvenanceOfResumedUpload(t *testing.T) {
	bothStores(t, func(t *testing.T, c *Client) {
		f := NewFS(c, Options{Bucket: "files", PartSize: minPart, Provenance: true})
		one, two := proxy.WithSession(t.Context(), firstSession), proxy.WithSession(t.Context(), secondSession)
		if _, err := f.Put(one, "/f", storetest.Uncommitted(zeros(minPart+1), errors.New("cut")), proxy.Write{}); err == nil {
			t.Fatal("the upload did not fail")
		}
		sent := resumableSize(t, f, "/f")
		if _, err := f.Put(two, "/f", storetest.Source(zeros(1), storetest.First(sent)), proxy.Write{}); err != nil {
			t.Fatal(err)
		}
		checkProvenance(t, f, "f", "%20J%C3%BCrgen%20100%25", "192.0.2.7", "first")
	})
}

// The time is that of the request that stores the object, or that begins the multipart upload.
func TestProvenanceTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := FS{provenance: true}
		<-time.After(90 * time.Second)
		if got := f.addProvenance(t.Context(), map[string]string{"ftp-user": "old", "x": "y"}); len(got) != 2 || got["ftp-time"] != "2000-01-01T00:01:30Z" {
			t.Error(got)
		}
	})
}
