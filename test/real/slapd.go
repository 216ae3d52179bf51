package real

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// An LDAP is a running OpenLDAP server. Its users are below ou=people,dc=example,dc=com, with their names as uid.
type LDAP struct {
	Addr    string // host:port, without TLS
	Process *os.Process

	dir string
}

// ldapAdmin is the password of cn=admin,dc=example,dc=com.
const ldapAdmin = "canary-ldap-admin"

// Slapd starts OpenLDAP's slapd with users and their passwords, on a free loopback port, and stops it at the end of the test.
func Slapd(t testing.TB, passwords map[string]string) *LDAP {
	t.Helper()
	program := "/usr/sbin/slapd" // where Debian has it, which is not in PATH of all users
	if _, err := os.Stat(program); err != nil {
		program = Client(t, "slapd")
	}
	l := &LDAP{Addr: FreeAddr(t), dir: t.TempDir()}
	// a copy, because AppArmor confines the one of the package to its own directories
	copyProgram(t, program, l.program())
	conf := []string{
		"include /etc/ldap/schema/core.schema", "modulepath /usr/lib/ldap", "moduleload back_mdb", "database mdb", "maxsize 16777216",
		"suffix dc=example,dc=com", "rootdn cn=admin,dc=example,dc=com", "rootpw " + ldapAdmin, "directory " + l.dir,
	}
	people := []string{
		"dn: dc=example,dc=com\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n",
		"dn: ou=people,dc=example,dc=com\nobjectClass: organizationalUnit\nou: people\n",
	}
	for name, password := range passwords {
		people = append(people, fmt.Sprintf("dn: %s\nobjectClass: person\nobjectClass: uidObject\nuid: %s\ncn: %s\nsn: %s\nuserPassword: %s\n",
			l.DN(name), name, name, name, password))
	}
	slices.SortStableFunc(people[2:], strings.Compare)
	for name, text := range map[string]string{"slapd.conf": strings.Join(conf, "\n") + "\n", "people.ldif": strings.Join(people, "\n")} {
		if err := os.WriteFile(filepath.Join(l.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.CommandContext(t.Context(), l.program(), "-T", "add", "-f", l.dir+"/slapd.conf", "-l", l.dir+"/people.ldif").CombinedOutput(); err != nil {
		t.Fatalf("slapadd: %v\n%s", err, out)
	}
	l.Restart(t)
	return l
}

// DN returns the distinguished name of a user.
func (l *LDAP) DN(user string) string { return "uid=" + user + ",ou=people,dc=example,dc=com" }

// Restart restarts a killed server at the same address with the same users, and waits until it answers.
func (l *LDAP) Restart(t testing.TB) {
	t.Helper()
	cmd := exec.Command(l.program(), "-d", "0", "-f", l.dir+"/slapd.conf", "-h", "ldap://"+l.Addr)
	Start(t, cmd)
	l.Process = cmd.Process
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 500 {
		if c, err := net.Dial("tcp", l.Addr); err == nil {
			c.Close()
			return
		}
		<-tick.C
	}
	t.Fatal("slapd does not answer")
}

func (l *LDAP) program() string { return filepath.Join(l.dir, "slapd") }

func copyProgram(t testing.TB, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = io.Copy(out, in); err == nil {
		err = out.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// MinIOWithLDAP is MinIO with the users of an LDAP server. They need policies, see AttachPolicy.
func MinIOWithLDAP(t testing.TB, l *LDAP) *S3 {
	t.Helper()
	return startMinIO(t, []string{
		"MINIO_IDENTITY_LDAP_SERVER_ADDR=" + l.Addr, "MINIO_IDENTITY_LDAP_SERVER_INSECURE=on",
		"MINIO_IDENTITY_LDAP_LOOKUP_BIND_DN=cn=admin,dc=example,dc=com", "MINIO_IDENTITY_LDAP_LOOKUP_BIND_PASSWORD=" + ldapAdmin,
		"MINIO_IDENTITY_LDAP_USER_DN_SEARCH_BASE_DN=ou=people,dc=example,dc=com", "MINIO_IDENTITY_LDAP_USER_DN_SEARCH_FILTER=(uid=%s)",
	}, nil)
}
