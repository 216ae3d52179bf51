package ftp

import (
	"context"
	"strconv"
	"strings"
)

// cmdType selects ASCII or binary (RFC 959, section 4.1.2). Some devices omit the blank before the parameter.
func (s *session) cmdType(_ context.Context, arg string) error {
	kind := strings.ReplaceAll(strings.ToUpper(arg), " ", "")
	switch kind {
	case "A", "AN":
		s.ascii = true
		return s.ok(200, "Type set to A.")
	case "I", "L8":
		s.ascii = false
		return s.ok(200, "Type set to I.")
	case "AT", "AC", "E", "EN", "ET", "EC", "L":
		return reply{504, "Type not implemented, use TYPE I or TYPE A."}
	}
	if size, ok := strings.CutPrefix(kind, "L"); ok && isNumber(size) {
		return reply{504, "Byte size not implemented, use TYPE L 8."}
	}
	return reply{501, "Unknown type, use TYPE I or TYPE A."}
}

func (s *session) cmdStru(_ context.Context, arg string) error {
	switch strings.ToUpper(arg) {
	case "F":
		return s.ok(200, "Structure set to F.")
	case "R", "P":
		return reply{504, "Structure not implemented, use STRU F."}
	}
	return reply{501, "Unknown structure, use STRU F."}
}

// cmdAllo sets the size of the next upload. A record size, "R m", is ignored.
func (s *session) cmdAllo(_ context.Context, arg string) error {
	f := strings.Split(arg, " ")
	if len(f) != 1 && (len(f) != 3 || strings.ToUpper(f[1]) != "R" || !isNumber(f[2])) || !isNumber(f[0]) {
		return reply{501, "ALLO requires a number of bytes."}
	}
	size, err := strconv.ParseInt(f[0], 10, 64)
	if err != nil {
		return reply{552, "File too large for the storage."}
	}
	s.alloSize = size
	return s.ok(200, "ALLO command successful.")
}

// cmdRest sets the offset of the next transfer (RFC 3659, section 5).
func (s *session) cmdRest(_ context.Context, arg string) error {
	if !isNumber(arg) {
		return reply{501, "REST requires a number of bytes."}
	}
	offset, err := strconv.ParseInt(arg, 10, 64)
	switch {
	case err != nil:
		return reply{554, "Offset too large."}
	case offset > 0 && s.ascii:
		return errASCIIOffset
	}
	s.restOffset = offset
	return s.ok(350, "The next transfer begins there.")
}

// errASCIIOffset: in TYPE A an offset counts converted bytes, which a store cannot map to its own.
var errASCIIOffset = reply{554, "REST not allowed in ASCII mode, use TYPE I."}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
