package ftp

import (
	"strings"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

func TestListLine(t *testing.T) {
	now := time.Date(2024, 7, 15, 12, 0, 0, 0, time.FixedZone("", 7200))
	utc := now.UTC()
	for _, c := range []struct {
		file storetest.MemoryFile
		want string
	}{
		{storetest.MemoryFile{Name: "/d/a", Data: []byte("12345"), Time: utc.Add(-time.Hour)}, "-rw-r--r-- 1 ftp ftp          5 Jul 15 09:00 a"},
		{storetest.MemoryFile{Name: "/d/a b", Data: nil, Time: now.Add(-time.Hour)}, "-rw-r--r-- 1 ftp ftp          0 Jul 15 09:00 a b"},
		{storetest.MemoryFile{Name: "/d/sub/", Data: nil, Time: utc}, "drwxr-xr-x 1 ftp ftp          0 Jul 15 10:00 sub"},
		{storetest.MemoryFile{Name: "/d/sub/", Data: nil, Time: time.Time{}}, "drwxr-xr-x 1 ftp ftp          0 Jul 15 10:00 sub"},
		{storetest.MemoryFile{Name: "/a", Data: nil, Time: utc.AddDate(0, -6, 0)}, "-rw-r--r-- 1 ftp ftp          0 Jan 15 10:00 a"},
		{storetest.MemoryFile{Name: "/a", Data: nil, Time: utc.AddDate(0, -6, 0).Add(-time.Second)}, "-rw-r--r-- 1 ftp ftp          0 Jan 15  2024 a"},
		{storetest.MemoryFile{Name: "/a", Data: nil, Time: time.Date(2009, 3, 4, 5, 6, 7, 0, time.UTC)}, "-rw-r--r-- 1 ftp ftp          0 Mar  4  2009 a"},
		{storetest.MemoryFile{Name: "/a", Data: nil, Time: utc.Add(time.Hour)}, "-rw-r--r-- 1 ftp ftp          0 Jul 15 11:00 a"},
		{storetest.MemoryFile{Name: "/a", Data: nil, Time: utc.Add(48 * time.Hour)}, "-rw-r--r-- 1 ftp ftp          0 Jul 17  2024 a"},
	} {
		if got := listLine(c.file.Entry(), now); got != c.want {
			t.Errorf("%q\nwant\n%q", got, c.want)
		}
	}
}

func TestFactLine(t *testing.T) {
	file := storetest.MemoryFile{Name: "/d/a", Data: []byte("12345"), Time: time.Date(2024, 7, 15, 12, 0, 0, 999, time.FixedZone("", 7200))}
	dir := storetest.MemoryFile{Name: "/d/"}
	for _, c := range []struct {
		file  storetest.MemoryFile
		facts string
		want  string
	}{
		{file, "type size modify perm unique", "type=file;size=5;modify=20240715100000;perm=adfrw;unique=5-be626a2b;"},
		{file, "size", "size=5;"},
		{file, "", ""},
		{file, "size colour", "size=5;"},
		{dir, "type size modify perm", "type=dir;perm=cdeflmp;"},
	} {
		if got := factLine(c.file.Name, c.file.Entry(), strings.Fields(c.facts)); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	if a, b := fact("/a", file.Entry(), "unique"), fact("/b", file.Entry(), "unique"); a == b {
		t.Errorf("two files with the same content have the same unique fact %q", a)
	}
	if got := factLine("/d", proxy.Entry{Name: "d", Dir: true}, allFacts); got != "type=dir;perm=cdeflmp;" {
		t.Errorf("facts of a directory without a time: %q", got)
	}
}

// The perm fact has only the permissions that the account has.
func TestPermFact(t *testing.T) {
	for _, c := range []struct {
		entry proxy.Entry
		want  string
	}{
		{proxy.Entry{}, "adfrw"},
		{proxy.Entry{Denied: proxy.PermOverwrite | proxy.PermRename}, "dr"},
		{proxy.Entry{Denied: proxy.PermRead | proxy.PermDelete}, "afw"},
		{proxy.Entry{Dir: true, Denied: proxy.PermWrite | proxy.PermMkdir}, "deflp"},
		{proxy.Entry{Dir: true, Denied: proxy.PermList | proxy.PermDelete | proxy.PermRename}, "cem"},
		{proxy.Entry{Dir: true, Fixed: true}, "celmp"},
		{proxy.Entry{Dir: true, Name: "/"}, "celmp"},
		{proxy.Entry{Resumable: true, Denied: proxy.PermOverwrite}, "adw"},
		{proxy.Entry{Resumable: true, Denied: proxy.PermWrite}, "d"},
	} {
		if got := permFact(c.entry); got != c.want {
			t.Errorf("%+v: perm=%s, want %s", c.entry, got, c.want)
		}
	}
}
