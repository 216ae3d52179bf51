package proxy

// Compat lists deviations from RFC 959 and RFC 2640 that some devices need. The zero value has none.
type Compat struct {
	Names       Charset // of names in commands, replies and listings
	Backslash   bool    // a backslash in a path stands for a slash
	LenientDirs bool    // MKD of an existing directory succeeds, and so does CWD into a missing one
	Allo        Allo    // what it means when an upload brings fewer bytes than ALLO announced
}

// A Charset is how names go over the wire; a Store has them in UTF-8. ASCII is the same in all.
type Charset int

const (
	UTF8     Charset = iota
	Latin1           // Windows-1252, which is what devices mean by it
	ShiftJIS         // as Windows has it, code page 932
	GBK              // GB18030, a superset that lacks private-use characters only
)

func (c Charset) String() string {
	switch c {
	case Latin1:
		return "Latin-1"
	case ShiftJIS:
		return "Shift-JIS"
	case GBK:
		return "GBK"
	}
	return "UTF-8"
}

// Allo says what it means when an upload brings fewer bytes than ALLO announced. By RFC 959 a client may reserve more than it
// sends; most announce the size of the file.
type Allo int

const (
	AlloAuto    Allo = iota // the client may have been killed: its control connection is watched for 2 s
	AlloBinding             // the upload is incomplete, and nothing is published
	AlloHint                // nothing
)
