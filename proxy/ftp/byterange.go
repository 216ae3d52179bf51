package ftp

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/s3ftpd/s3ftpd/proxy/ftp/names"
)

// octets are a part of a file: from start on, up to end but without it. An end below 0 is that of the file.
type byteRange struct{ start, end int64 }

// whole is all of a file.
var wholeFile = byteRange{0, -1}

// parseByteRange reads two numbers.
func parseByteRange(text string) (o byteRange, ok bool) {
	start, end, ok := strings.Cut(text, " ")
	if !ok || !isNumber(start) || !isNumber(end) {
		return byteRange{}, false
	}
	var startErr, endErr error
	o.start, startErr = strconv.ParseInt(start, 10, 64)
	o.end, endErr = strconv.ParseInt(end, 10, 64)
	return o, startErr == nil && endErr == nil
}

// cmdRang chooses the octets for the next HASH, the last of them included; RANG 1 0 chooses the whole file again
// (draft-bryan-ftp-range-08, section 3). For transfers it is not implemented.
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

// ranged says whether a command is a transfer of what RANG has chosen, which would be of the whole file: an upload that
// was meant for a part must not replace the rest. The choice is then spent.
func (s *session) rangRefused(verb string) bool {
	return slices.Contains([]string{"RETR", "STOR", "STOU", "APPE"}, verb) && take(&s.hashRange) != nil
}

// A reading is what the argument of a checksum command may mean.
type argForm struct {
	path string
	byteRange
	err error // what is wrong with it
}

// rangeAfter splits a name from the two numbers that follow it. A second blank in front of the numbers is the name's.
var rangeAfter = regexp.MustCompile(`^(.+)( [0-9]+ +[0-9]+ *)$`)

// readings returns what an argument may mean, beginning with the name as it stands, as in all other commands. Else a name
// may be in quotes, those inside doubled, and in some commands two numbers may follow it: where to begin, and the end.
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
