package ftp

import (
	"context"
	"strconv"
	"strings"
)

// cmdType chooses between bytes as they are and lines of text (RFC 959, section 4.1.2). Some devices leave the blank
// between the type and its parameter out.
func (s *session) cmdType(_ context.Context, arg string) (reply, error) {
	kind := strings.ReplaceAll(strings.ToUpper(arg), " ", "")
	switch kind {
	case "A", "AN":
		s.ascii = true
		return reply{200, "Type is A: ends of line are converted."}, nil
	case "I", "L8":
		s.ascii = false
		return reply{200, "Type is I: bytes are kept as they are."}, nil
	case "AT", "AC", "E", "EN", "ET", "EC", "L":
		return reply{504, "Use TYPE I or TYPE A."}, nil
	}
	if size, ok := strings.CutPrefix(kind, "L"); ok && isNumber(size) {
		return reply{504, "Bytes have 8 bits here, use TYPE L 8."}, nil
	}
	return reply{501, "There is no such type, use TYPE I or TYPE A."}, nil
}

func (s *session) cmdStru(_ context.Context, arg string) (reply, error) {
	switch strings.ToUpper(arg) {
	case "F":
		return reply{200, "Structure is F."}, nil
	case "R", "P":
		return reply{504, "Files have no such structure here, use STRU F."}, nil
	}
	return reply{501, "There is no such structure, use STRU F."}, nil
}

// cmdAllo notes the size of the next upload. A second number, "R m", is about records and without effect.
func (s *session) cmdAllo(_ context.Context, arg string) (reply, error) {
	f := strings.Split(arg, " ")
	if len(f) != 1 && (len(f) != 3 || strings.ToUpper(f[1]) != "R" || !isNumber(f[2])) || !isNumber(f[0]) {
		return reply{501, "ALLO needs a number of bytes."}, nil
	}
	size, err := strconv.ParseInt(f[0], 10, 64)
	if err != nil {
		return reply{552, "That is more than the storage takes."}, nil
	}
	s.size = size
	return reply{200, "ALLO noted for the next upload."}, nil
}

// cmdRest says where the next transfer begins (RFC 3659, section 5).
func (s *session) cmdRest(_ context.Context, arg string) (reply, error) {
	if !isNumber(arg) {
		return reply{501, "REST needs a number of bytes."}, nil
	}
	offset, err := strconv.ParseInt(arg, 10, 64)
	switch {
	case err != nil:
		return reply{554, "No file is that long."}, nil
	case offset > 0 && s.ascii:
		return noOffsetInText, nil
	}
	s.offset = offset
	return reply{350, "The next transfer begins there."}, nil
}

// noOffsetInText: in TYPE A an offset would count converted bytes, which no store knows.
var noOffsetInText = reply{554, "No offsets in ASCII mode, use TYPE I."}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
