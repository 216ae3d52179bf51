package packet

import "encoding/binary"

// The bits of the flags of attributes (section 5).
const (
	hasSize        = 0x00000001
	hasOwner       = 0x00000002
	hasPermissions = 0x00000004
	hasTimes       = 0x00000008
	hasExtended    = 0x80000000
)

// The type bits of Attributes.Permissions, as in POSIX.
const (
	ModeDir  = 0o040000
	ModeFile = 0o100000
)

// Attributes are the attributes of a file (section 5). Those of a reply always have owner 0, group 0, and permissions.
type Attributes struct {
	HasSize, HasTimes bool
	Size              uint64 // bytes
	Permissions       uint32 // mode bits; of a request 0
	AccessTime        uint32 // seconds since 1970
	ModTime           uint32
}

// append appends the attributes of a reply.
func (a Attributes) append(b []byte) []byte {
	flags := uint32(hasOwner | hasPermissions)
	if a.HasSize {
		flags |= hasSize
	}
	if a.HasTimes {
		flags |= hasTimes
	}
	b = binary.BigEndian.AppendUint32(b, flags)
	if a.HasSize {
		b = binary.BigEndian.AppendUint64(b, a.Size)
	}
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0) // owner and group
	b = binary.BigEndian.AppendUint32(b, a.Permissions)
	if a.HasTimes {
		b = binary.BigEndian.AppendUint32(b, a.AccessTime)
		b = binary.BigEndian.AppendUint32(b, a.ModTime)
	}
	return b
}

// attributes parses the attributes of a request. Owner, permissions and extended attributes are skipped.
func (p *parser) attributes() (a Attributes) {
	flags := p.uint32()
	if a.HasSize = flags&hasSize != 0; a.HasSize {
		a.Size = p.uint64()
	}
	if flags&hasOwner != 0 {
		p.uint64()
	}
	if flags&hasPermissions != 0 {
		p.uint32()
	}
	if a.HasTimes = flags&hasTimes != 0; a.HasTimes {
		a.AccessTime, a.ModTime = p.uint32(), p.uint32()
	}
	if flags&hasExtended == 0 {
		return a
	}
	for n := p.uint32(); n > 0 && p.err == nil; n-- {
		p.text()
		p.text()
	}
	return a
}
