package packet

import "encoding/binary"

// begin appends the length of a packet, which end sets, and its type and ID.
func begin(b []byte, t Type, id uint32) []byte {
	b = append(b, 0, 0, 0, 0, byte(t))
	return binary.BigEndian.AppendUint32(b, id)
}

// end sets the length of the packet that begins at start.
func end(b []byte, start int) []byte {
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return b
}

func appendText(b []byte, text string) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
	return append(b, text...)
}

// An Extension is a name and the data with which VERSION offers it.
type Extension struct{ Name, Data string }

// VendorID returns the extension vendor-id (draft-ietf-secsh-filexfer-13, section 5). Versions have no build numbers.
func VendorID(vendor, product, version string) Extension {
	data := appendText(appendText(appendText(nil, vendor), product), version)
	return Extension{"vendor-id", string(binary.BigEndian.AppendUint64(data, 0))}
}

// AppendVersion appends the reply to INIT.
func AppendVersion(b []byte, extensions []Extension) []byte {
	start := len(b)
	b = begin(b, version, 3) // the version is in place of the ID
	for _, e := range extensions {
		b = appendText(appendText(b, e.Name), e.Data)
	}
	return end(b, start)
}

// AppendStatus appends a STATUS reply.
func AppendStatus(b []byte, id uint32, code Code, text string) []byte {
	start := len(b)
	b = begin(b, status, id)
	b = binary.BigEndian.AppendUint32(b, uint32(code))
	return end(appendText(appendText(b, text), "en"), start)
}

// AppendHandle appends the reply to OPEN and OPENDIR.
func AppendHandle(b []byte, id uint32, h string) []byte {
	start := len(b)
	return end(appendText(begin(b, handle, id), h), start)
}

// DataHeaderSize is the number of bytes that AppendDataHeader appends.
const DataHeaderSize = 13

// AppendDataHeader appends a reply to READ without its n bytes, which must follow.
func AppendDataHeader(b []byte, id uint32, n int) []byte {
	start := len(b)
	b = binary.BigEndian.AppendUint32(begin(b, data, id), uint32(n))
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-4+n))
	return b
}

// A Name is an entry of a NAME reply.
type Name struct {
	Name, Long string // Long is a line as of ls -l
	Attributes Attributes
}

// AppendNames appends the reply to READDIR, REALPATH and READLINK.
func AppendNames(b []byte, id uint32, entries ...Name) []byte {
	start := len(b)
	b = begin(b, name, id)
	b = binary.BigEndian.AppendUint32(b, uint32(len(entries)))
	for _, e := range entries {
		b = e.Attributes.append(appendText(appendText(b, e.Name), e.Long))
	}
	return end(b, start)
}

// AppendAttributes appends the reply to STAT, LSTAT and FSTAT.
func AppendAttributes(b []byte, id uint32, a Attributes) []byte {
	start := len(b)
	return end(a.append(begin(b, attrs, id)), start)
}

// AppendNumbers appends an EXTENDED_REPLY of 64-bit numbers, for limits@openssh.com and statvfs@openssh.com.
func AppendNumbers(b []byte, id uint32, numbers ...uint64) []byte {
	start := len(b)
	b = begin(b, extendedReply, id)
	for _, n := range numbers {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return end(b, start)
}

// AppendLists appends an EXTENDED_REPLY of lists of names, for users-groups-by-id@openssh.com.
func AppendLists(b []byte, id uint32, lists ...[]string) []byte {
	start := len(b)
	b = begin(b, extendedReply, id)
	for _, list := range lists {
		from := len(b)
		b = append(b, 0, 0, 0, 0)
		for _, name := range list {
			b = appendText(b, name)
		}
		b = end(b, from)
	}
	return end(b, start)
}

// AppendSums appends an EXTENDED_REPLY of texts, the last one the algorithm, and of hashes, for check-file-name.
func AppendSums(b []byte, id uint32, texts []string, sums []byte) []byte {
	start := len(b)
	b = begin(b, extendedReply, id)
	for _, text := range texts {
		b = appendText(b, text)
	}
	return end(append(b, sums...), start)
}
