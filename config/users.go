package config

import (
	"net/netip"
	"slices"
	"time"
)

// Users are the users of a users file. They do not change, and may be used by many goroutines at once.
type Users struct {
	byName   map[string]*User
	list     []*User
	defaults draft
}

// Lookup returns the user with that name, or nil. Nil has no users. Callers must not change it.
func (u *Users) Lookup(name string) *User {
	if u == nil {
		return nil
	}
	return u.byName[name]
}

// All returns the users in the order of the file. Callers must not change them.
func (u *Users) All() []*User { return u.list }

// A User is a complete, valid user of a users file. Values that many users have in common are shared, so slices, maps and
// pointers must not be changed.
type User struct {
	Name string
	Line int // in the file

	Password     Secret // a hash; empty = none, or it is in PasswordFile
	AnyPassword  bool   // every password is right; only for the name anonymous
	PasswordFile string // holds the password or its hash; empty = none
	Certificate  string // common name, or the whole subject as in RFC 4514, of a client certificate; empty = none
	// PublicKeys log in with SFTP. PublicKeysFile, a file like OpenSSH's authorized_keys, is instead of them; empty = none.
	PublicKeys     []PublicKey
	PublicKeysFile string
	// SecondFactor lists what a login needs together: password, and certificate or public-key. Empty = one of them is enough.
	SecondFactor []string

	Mounts      []Mount  // at least one
	Home        string   // absolute path of the directory in which sessions begin
	S3          *UserS3  // nil = the credentials and the service of the server
	Permissions []string // names, in the order of PermissionSet("rw"); of the mounts that have none of their own

	Protocols    []string       // ftp, ftps (TLS, explicit or implicit), sftp; empty = all
	AllowFrom    []netip.Prefix // empty = all
	MaxSessions  int            // 0 = --max-sessions-per-user
	MaxTransfers int            // at the same time; 0 = no limit
	MaxRate      UserRate       // of all transfers together
	MaxFileSize  int64          // bytes; 0 = no limit
	DailyUpload  int64          // bytes a day, in UTC; 0 = no limit
	Quota        UserQuota      // of what lies in the user's place
	Expires      time.Time      // the first moment at which the user cannot log in; zero = never
	Disabled     bool

	Attributes *UserAttributes // nil = those of the options
	Provenance *bool           // nil = that of the options
	Compat     *UserCompat     // nil = those of the options
}

// A Mount is a directory of a user, and the place in S3 that it shows.
type Mount struct {
	Path        string // absolute and clean; "/" = the root
	Bucket      string // empty only if the options of the server are unknown
	Prefix      string // empty, or ends with a slash
	Permissions []string
}

// UserS3 is the S3 service and the credentials of a user. Empty values are those of the server.
type UserS3 struct {
	AccessKey     string
	SecretKey     Secret
	SecretKeyFile string // instead of SecretKey
	Endpoint      string // a URL
	Region        string
	RoleARN       string // a role to assume
	ExternalID    string // only with RoleARN
}

// UserAttributes are attributes of the objects that a user writes. Empty values are those of the options.
type UserAttributes struct {
	StorageClass, SSE, SSEKMSKey, ACL string
	Tags                              map[string]string
}

// UserCompat are a user's settings for old devices. Empty and nil values are those of the options.
type UserCompat struct {
	Names       string // utf-8, latin1, shift-jis or gbk
	Backslash   *bool
	LenientDirs *bool
	Allo        string // auto, binding or hint
}

// anonymous is the name of the user who may log in with any password.
const anonymous = "anonymous"

// PermissionSet returns the permissions that rw, ro, wo or dropbox stands for. Those of rw are all.
func PermissionSet(word string) []string { return slices.Clone(permissionSets[word]) }

// permissionSets are words for several permissions.
var permissionSets = map[string][]string{
	"rw":      {"list", "read", "write", "overwrite", "delete", "rename", "mkdir"},
	"ro":      {"list", "read"},
	"wo":      {"write", "overwrite", "mkdir"},
	"dropbox": {"write", "mkdir"},
}
