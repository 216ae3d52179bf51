package ftp

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/s3ftpd/s3ftpd/proxy/names"
)

// A byteRange is a range of a file. start is inclusive, end exclusive; end < 0 is the end of the file.
type byteRange struct{ start, end int64 }

// wholeFile is the range of a whole file.
var wholeFile = byteRange{0, -1}

// parseByteRange parses two numbers.
func parseByteRange(text string) (r byteRange, ok bool) {
	start, end, ok := strings.Cut(text, " ")
	if !ok || !isNumber(start) || !isNumber(end) {
		return byteRange{}, false
	}
	var startErr, endErr error
	r.start, startErr = strconv.ParseInt(start, 10, 64)
	r.end, endErr = strconv.ParseInt(end, 10, 64)
	return r, startErr == nil && endErr == nil
}

// cmdRang sets the range of the next HASH, inclusive; RANG 1 0 resets it (draft-bryan-ftp-range-08, section 3). Transfers of a range
// are not implemented.
func (s *session) cmdRang(_ context.Context, arg string) error {
	s.hashRange = nil
	o, ok := parseByteRange(arg)
	switch {
	case ok && o == byteRange{1, 0}:
		return s.ok(350, "Next HASH covers the whole file.")
	case !ok || o.start > o.end || o.end == math.MaxInt64:
		return reply{501, "Use RANG first last; RANG 1 0 means the whole file."}
	}
	s.hashRange = &byteRange{o.start, o.end + 1}
	return s.ok(350, "Next HASH covers this range.")
}

// rangRefused reports whether verb is a transfer after RANG, and clears the range. It would move the whole file: an upload of a part
// must not replace the rest.
func (s *session) rangRefused(verb string) bool {
	return slices.Contains([]string{"RETR", "STOR", "STOU", "APPE"}, verb) && take(&s.hashRange) != nil
}

// An argForm is a possible meaning of the argument of a checksum command.
type argForm struct {
	path string
	byteRange
	err error // reply if the range is invalid
}

// rangeAfter matches a name, a blank and two numbers. Further blanks before the numbers belong to the name.
var rangeAfter = regexp.MustCompile(`^(.+)( [0-9]+ +[0-9]+ *)$`)

// argForms returns the possible meanings of an argument: the whole argument as a name, as in other commands; a quoted name with inner
// quotes doubled; and, if ranges is set, a name and the start and end of a range.
func argForms(arg string, ranges bool) []argForm {
	all := []argForm{{path: arg, byteRange: wholeFile}}
	path, numbers, quoted := names.Unquote(arg)
	switch m := rangeAfter.FindStringSubmatch(arg); {
	case quoted && trimBlanks(numbers) == "":
		return append(all, argForm{path: path, byteRange: wholeFile})
	case !ranges || !quoted && m == nil:
		return all
	case !quoted:
		path, numbers = m[1], m[2]
	}
	r := argForm{path: path}
	numbers, spaced := strings.CutPrefix(numbers, " ")
	o, ok := parseByteRange(command{}.trim(numbers))
	if r.byteRange = o; !ok || !spaced || o.start >= o.end {
		r.err = fmt.Errorf("range: %w", reply{501, "Use file [start end], start < end."})
	}
	return append(all, r)
}
