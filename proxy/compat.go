package proxy

// Compat lists deviations from RFC 959 and RFC 2640 that some devices need. The zero value has none.
type Compat struct {
	Names       Charset // of the names in commands, replies and listings
	Backslash   bool    // a backslash in a path stands for a slash
	LenientDirs bool    // MKD of an existing directory and CWD to a missing one succeed
	Allo        Allo    // the effect of an upload with fewer bytes than ALLO announced
}

// A Charset encodes names on the wire; a [Store] gets them in UTF-8. All charsets encode ASCII as itself.
type Charset int

const (
	UTF8     Charset = iota
	Latin1           // Windows-1252, because devices that claim Latin-1 send that
	ShiftJIS         // Windows code page 932
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

// Allo is the effect of an upload with fewer bytes than ALLO announced. RFC 959 lets a client reserve more than it sends, but
// most clients announce the size of the file.
type Allo int

const (
	AlloAuto    Allo = iota // watch the control connection for 2 s, as the client may have been killed
	AlloBinding             // the upload is incomplete and is not published
	AlloHint                // none
)
