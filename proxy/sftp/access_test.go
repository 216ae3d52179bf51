package sftp

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/access"
	"github.com/s3ftpd/s3ftpd/proxy/grant"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// plays are requests about the name x, by the row of the table and its form. See script.ask for their notation.
var plays = map[string][]string{
	"OPEN READ":        {"OPEN x R as h; READ h 0 9; CLOSE h", "OPEN x R as h; FSTAT h; FSETSTAT h mtime=5; CLOSE h", "OPEN x R as h; check-file-handle h md5 0 0 0"},
	"OPEN WRITE":       {"OPEN x W as h; WRITE h 0 45; FSETSTAT h size=2; CLOSE h", "OPEN x RW as h; CLOSE h", "OPEN x WA as h; CLOSE h"},
	"OPEN WRITE TRUNC": {"OPEN x WT as h; WRITE h 0 45; CLOSE h", "OPEN x WT as h; CLOSE h"},
	"OPEN WRITE CREAT": {
		"OPEN x WC as h; WRITE h 0 45; FSETSTAT h size=2; CLOSE h", "OPEN x WC as h; WRITE h 0 45; CLOSE h", "OPEN x WC as h; CLOSE h",
		"OPEN x WAC as h; WRITE h 0 45; CLOSE h", "STAT x; OPEN x WAC as h; WRITE h 0 45; CLOSE h", "STAT x; OPEN x WC as h; WRITE h 3 45; CLOSE h",
		"STAT x; OPEN x RWC as h; WRITE h 5 45; CLOSE h",
	},
	"OPEN WRITE CREAT TRUNC":         {"OPEN x WCT as h; WRITE h 0 45; FSETSTAT h mtime=5; CLOSE h", "OPEN x RWCT as h; CLOSE h"},
	"OPEN WRITE CREAT EXCL":          {"OPEN x WCX as h; WRITE h 0 45; CLOSE h", "OPEN x CX as h; CLOSE h", "OPEN x WCTX as h; WRITE h 0 45; CLOSE h"},
	"OPENDIR":                        {"OPENDIR x as h; READDIR h; FSTAT h; CLOSE h"},
	"STAT":                           {"STAT x"},
	"LSTAT":                          {"LSTAT x"},
	"SETSTAT":                        {"SETSTAT x mode=0600"},
	"SETSTAT time":                   {"SETSTAT x mtime=5", "SETSTAT x mtime=5 mode=0600"},
	"SETSTAT size":                   {"SETSTAT x size=2", "SETSTAT x size=7 mtime=5"},
	"REMOVE":                         {"REMOVE x"},
	"MKDIR":                          {"MKDIR x"},
	"RMDIR":                          {"RMDIR x"},
	"RENAME":                         {"RENAME x new", "RENAME other x"},
	"REALPATH":                       {"REALPATH x"},
	"READLINK":                       {"READLINK x"},
	"SYMLINK":                        {"SYMLINK x new", "SYMLINK other x"},
	"posix-rename@openssh.com":       {"posix-rename@openssh.com other x"},
	"lsetstat@openssh.com":           {"lsetstat@openssh.com x mode=0600"},
	"lsetstat@openssh.com time":      {"lsetstat@openssh.com x mtime=5"},
	"lsetstat@openssh.com size":      {"lsetstat@openssh.com x size=0"},
	"statvfs@openssh.com":            {"statvfs@openssh.com x"},
	"fstatvfs@openssh.com":           {"fstatvfs@openssh.com x"},
	"fsync@openssh.com":              {"fsync@openssh.com x"},
	"limits@openssh.com":             {"limits@openssh.com"},
	"expand-path@openssh.com":        {"expand-path@openssh.com x"},
	"users-groups-by-id@openssh.com": {`users-groups-by-id@openssh.com "" ""`},
	"home-directory":                 {`home-directory ""`},
	"check-file":                     {"check-file x md5 0 0 0"},
	"check-file-name":                {"check-file-name x md5 0 0 0", "check-file-name x sha1 0 0 256"},
	"check-file-handle":              {"check-file-handle x md5 0 0 0"},
	"copy-data":                      {"copy-data x 0 0 y 0"},
	"vendor-id":                      {"vendor-id a b c 1"},
}

// needsOfRequests are what the rows of both tables need, with their forms.
func needsOfRequests() map[string]access.Needs {
	all := make(map[string]access.Needs)
	add := func(name string, r request) {
		if r.forms == nil || r.needs != (access.Needs{}) {
			all[name] = r.needs
		}
		for form, needs := range r.forms {
			all[name+" "+form] = needs
		}
	}
	for kind, r := range requests {
		add(kind.String(), r)
	}
	for name, r := range extensions {
		add(name, r)
	}
	return all
}

// An accessTest plays requests of a user on a store of its own.
type accessTest struct {
	*script
	memory  *storetest.Memory
	uploads *grant.Uploads
	granted proxy.Store
}

// newAccessTest begins a session of a user with these permissions, on a store with what the state has.
func newAccessTest(t *testing.T, allowed proxy.Permissions, state access.State) *accessTest {
	a := &accessTest{script: &script{t: t, handles: map[string]string{}}, memory: storetest.NewMemory(), uploads: new(grant.Uploads)}
	a.granted = grant.Permissions(a.memory, grant.Rules{Allowed: allowed, Uploads: a.uploads})
	a.put("/other", "other")
	switch state {
	case access.File:
		a.put("/x", "12345")
	case access.Dir:
		a.put("/x/", "")
	case access.Upload:
		a.breakUpload()
	}
	a.client = newClient(t, func(_ *Server, account *proxy.Account) {
		account.Store = a.granted
	})
	if state == access.Own {
		a.run("OPEN x WCT as h; WRITE h 0 12345; CLOSE h")
	}
	return a
}

func (a *accessTest) put(name, content string) {
	a.memory.Files[name] = storetest.MemoryFile{Name: name, Data: []byte(content), Time: time.Now()}
}

// breakUpload leaves a resumable upload of 3 bytes that the user has begun in another session.
func (a *accessTest) breakUpload() {
	store := grant.Permissions(a.memory, grant.Rules{Allowed: proxy.PermAll, Uploads: a.uploads})
	src := storetest.Source(io.MultiReader(strings.NewReader("123"), iotest.ErrReader(errors.New("broken"))))
	if _, err := store.Put(a.t.Context(), "/x", src, proxy.Write{}); err == nil {
		a.t.Fatal("the upload did not break")
	}
}

// run returns the answer to the last of the requests, or to one that opens no handle or fails.
func (a *accessTest) run(play string) (reply string) {
	for line := range strings.SplitSeq(play, ";") {
		words := strings.Fields(line)
		if !a.ask(words) {
			a.t.Fatalf("%q is not understood", line)
		}
		p := a.open[0]
		a.open = a.open[1:]
		reply = a.await(p.id).String()
		if handle, ok := strings.CutPrefix(reply, "HANDLE "); ok {
			a.handles[p.as] = handle
		} else if failed(reply) && words[0] != "STAT" && words[0] != "WRITE" {
			break
		}
	}
	return reply
}

// failed reports whether an answer is an error.
func failed(reply string) bool {
	code, _, _ := strings.Cut(reply, " ")
	return code == "FAILURE" || code == "PERMISSION_DENIED" || code == "NO_SUCH_FILE" || code == "OP_UNSUPPORTED"
}

// contents returns what the store has.
func (a *accessTest) contents() string {
	var all []string
	for name, f := range a.memory.Files {
		all = append(all, fmt.Sprintf("%s %q %v", name, f.Data, f.Time.UnixNano()))
	}
	for name, data := range a.memory.Resumable {
		all = append(all, fmt.Sprintf("%s %q resumable", name, data))
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// TestPermissionMatrix plays each request, with each set of permissions, for each state of its name. What the table permits has the
// result that a user with all permissions gets. All else is PERMISSION_DENIED, and changes nothing; an upload that the user may not
// resume does not exist. A user who may not see files gets the same answer whether one exists.
func TestPermissionMatrix(t *testing.T) {
	want := make(map[string]string) // answers and contents with all permissions
	played, refused := 0, 0
	for _, allowed := range access.Sets() {
		t.Run(strings.ReplaceAll(allowed.String(), ", ", "+"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for row, needs := range needsOfRequests() {
					for _, play := range plays[row] {
						replies := make(map[access.State]string)
						for _, state := range access.States() {
							if state == access.Own && allowed&proxy.PermWrite == 0 {
								continue
							}
							a := newAccessTest(t, allowed, state)
							before := a.contents()
							reply := a.run(play)
							after := a.contents()
							a.close()
							played++
							code, _, _ := strings.Cut(reply, " ")
							replies[state] = reply
							key := fmt.Sprintf("%s, %v", play, state)
							permitted := needs[state].IsMet(allowed)
							isDenied := code == "PERMISSION_DENIED" || state == access.Upload && code == "NO_SUCH_FILE"
							switch result := code + "\n" + after; {
							case allowed == proxy.PermAll:
								want[key] = result
							case permitted && result != want[key]:
								t.Errorf("%s: %s, and the store has\n%s\nwant\n%s", key, reply, after, want[key])
							case !permitted && (!isDenied || after != before):
								t.Errorf("%s: %s, want PERMISSION_DENIED; the store had\n%s\nand has\n%s", key, reply, before, after)
							case !permitted:
								refused++
							}
						}
						hidden := allowed&(proxy.PermList|proxy.PermRead) == 0
						denied := !needs[access.Missing].IsMet(allowed) && !needs[access.File].IsMet(allowed)
						if missing, file := replies[access.Missing], replies[access.File]; hidden && denied && missing != file {
							t.Errorf("%s: %s and %s tell whether a file exists", play, missing, file)
						}
					}
				}
			})
		})
	}
	if played < 3000 || refused < 800 {
		t.Errorf("only %d plays, %d of them refused", played, refused)
	}
}

// TestMatrixIsComplete: each row of the table is played, and with all permissions it succeeds for some state if it needs any.
func TestMatrixIsComplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for row, needs := range needsOfRequests() {
			if len(plays[row]) == 0 {
				t.Errorf("%s is not played", row)
			}
			for _, play := range plays[row] {
				var replies []string
				for _, state := range access.States() {
					a := newAccessTest(t, proxy.PermAll, state)
					replies = append(replies, a.run(play))
					a.close()
				}
				if needs != (access.Needs{}) && !slices.ContainsFunc(replies, func(r string) bool { return !failed(r) }) {
					t.Errorf("%s never succeeds: %q", play, replies)
				}
			}
		}
	})
}

// TestUserPermissionsPage: docs/user-permissions.md has what the requests need.
func TestUserPermissionsPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/user-permissions.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := access.Table("request", needsOfRequests()); access.Section(string(page), "requests") != want {
		t.Errorf("between <!-- requests --> and <!-- /requests --> docs/user-permissions.md must have\n%s", want)
	}
}
