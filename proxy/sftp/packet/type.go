package packet

import "fmt"

// A Type is the type of a packet (section 3).
type Type byte

// The types of requests.
const (
	Init     Type = 1
	Open     Type = 3
	Close    Type = 4
	Read     Type = 5
	Write    Type = 6
	LStat    Type = 7
	FStat    Type = 8
	SetStat  Type = 9
	FSetStat Type = 10
	OpenDir  Type = 11
	ReadDir  Type = 12
	Remove   Type = 13
	Mkdir    Type = 14
	Rmdir    Type = 15
	RealPath Type = 16
	Stat     Type = 17
	Rename   Type = 18
	ReadLink Type = 19
	Symlink  Type = 20
	Extended Type = 200
)

// The types of replies.
const (
	version       Type = 2
	status        Type = 101
	handle        Type = 102
	data          Type = 103
	name          Type = 104
	attrs         Type = 105
	extendedReply Type = 201
)

var typeNames = map[Type]string{
	Init: "INIT", Open: "OPEN", Close: "CLOSE", Read: "READ", Write: "WRITE", LStat: "LSTAT", FStat: "FSTAT", SetStat: "SETSTAT",
	FSetStat: "FSETSTAT", OpenDir: "OPENDIR", ReadDir: "READDIR", Remove: "REMOVE", Mkdir: "MKDIR", Rmdir: "RMDIR", RealPath: "REALPATH",
	Stat: "STAT", Rename: "RENAME", ReadLink: "READLINK", Symlink: "SYMLINK", Extended: "EXTENDED",
}

// String returns the name of a request's type without "SSH_FXP_".
func (t Type) String() string {
	if s := typeNames[t]; s != "" {
		return s
	}
	return fmt.Sprintf("type %d", byte(t))
}

// A Code is the result of a request, in a STATUS reply (section 7).
type Code uint32

const (
	OK               Code = 0
	EOF              Code = 1
	NoSuchFile       Code = 2
	PermissionDenied Code = 3
	Failure          Code = 4
	BadMessage       Code = 5
	OpUnsupported    Code = 8
)

// The flags of OPEN (section 6.3).
const (
	FlagRead   = 0x01
	FlagWrite  = 0x02
	FlagAppend = 0x04
	FlagCreate = 0x08
	FlagTrunc  = 0x10
	FlagExcl   = 0x20
)
