package sftp

import (
	"slices"
	"strconv"
	"strings"
)

// seedSessions are programs of FuzzSession. An operation with & does not wait for its answer.
var seedSessions = []string{
	"NEW 1; WRITE 0 0 20; WRITE 0 0 20; FSTAT 0; STAT 1 0; CLOSE 0; STAT 1 1; OPEN 1 1 0; READ 0 0 10; READ 0 5 10; READ 0 200 1; CLOSE 0",
	"NEW 1; NEW 2; &WRITE 0 0 200; &WRITE 1 0 200; &WRITE 0 0 200; &WRITE 1 0 200; &CLOSE 0; &CLOSE 0; &RENAME 1 5 0; STAT 5 0",
	"OPEN 0 2 0; WRITE 0 41 10; CLOSE 0; OPEN 0 2 0; WRITE 0 7 4; FSETSTAT 0 9; WRITE 0 0 4; CLOSE 0", // in the middle, then behind
	"OPEN 3 10 0; WRITE 0 0 40; CLOSE 0; OPEN 6 14 0; WRITE 0 9 30; CLOSE 0; OPEN 3 6 0; WRITE 0 0 10; CLOSE 0",
	"OPEN 1 42 0; OPEN 1 42 0; WRITE 0 0 4; WRITE 1 0 6; CLOSE 0; CLOSE 0; OPEN 0 42 0; OPEN 2 63 150; WRITE 0 0 4; CLOSE 0",
	"OPENDIR 4; READDIR 0; READDIR 0; FSTAT 0; CLOSE 0; CLOSE 255; READDIR 255; WRITE 255 0 4; OPENDIR 0; OPENDIR 7; OPENDIR 8; READDIR 0",
	"MKDIR 7; MKDIR 7; RENAME 7 1 0; RMDIR 1; RMDIR 4; REMOVE 2; RMDIR 4; REMOVE 4; REMOVE 0; REMOVE 3; RENAME 4 7 1; RENAME 0 2 1",
	"REALPATH 10 0; REALPATH 9 1; REALPATH 11 2; REALPATH 5 3; REALPATH 5 4; EXTENDED 0 1; EXTENDED 1 0; EXTENDED 2 11; EXTENDED 3 1; EXTENDED 4 0; " +
		"EXTENDED 5 0; EXTENDED 6 0; EXTENDED 7 0 0",
	"NEW 1; EXTENDED 7 0 0; WRITE 0 0 9; SETSTAT 1 0 6; SETSTAT 1 1 1; SETSTAT 0 0 2; SETSTAT 4 1 6; FSETSTAT 0 6; WRITE 0 8 0; CLOSE 0; SETSTAT 1 0 3",
	"NEW 1; &WRITE 0 9 8; &WRITE 0 5 8; &WRITE 0 1 8; WRITE 0 13 8; CLOSE 0; NEW 2; WRITE 0 255 1; CLOSE 0; NEW 2; WRITE 0 254 1; CLOSE 0",
	"NEW 1; WRITE 0 0 9; TIME 59; WRITE 0 0 9; TIME 61; WRITE 0 0 9; CLOSE 0; STAT 1 0; OPEN 1 10 0; WRITE 0 0 9; CLOSE 0",
	"FAULT 1 0; NEW 1; STAT 1 0; FAULT 0 4; NEW 1; WRITE 0 0 40; FAULT 1 0; WRITE 0 0 40; CLOSE 0; FAULT 0 1; OPEN 0 1 0; READ 0 0 20; CLOSE 0",
	"NEW 1; WRITE 0 0 40; FAULT 1 2; &CLOSE 0; STAT 1 0; STAT 0 0; NEW 2; WRITE 0 0 4; CLOSE 0; RENAME 1 5 0; TIME 1; STAT 5 0",
	"NEW 1; WRITE 0 0 40; FAULT 1 2; &CLOSE 0; &REMOVE 1; &RENAME 0 1 0; &STAT 1 0; TIME 1; STAT 1 0",
	"NEW 1; WRITE 0 0 40; FAULT 1 251; CLOSE 0; STAT 0 0", // a panic
	"FAULT 5 251; OPENDIR 5",
	"NEW 3; &REMOVE 14; SETSTAT 3 0 49; CLOSE 0",
	"OPEN 0 25 0; NEW 0; &READ 0 32 48; CLOSE 1",
	"OPEN 6 44 0; OPEN 6 14 0; WRITE 0 0 48; CLOSE 0; WRITE 0 0 48; CLOSE 0", // an append to a new file of another handle
	"PAUSE; &OPEN 0 1 0; &EXTENDED 1 0; &STAT 0 0; &MANY 0 138; &MANY 0 8; PAUSE; STAT 0 0; READ 0 0 250; READ 0 3 250",
	"OPEN 0 1 0; PAUSE; &READ 0 0 250; &READ 0 1 250; &READ 0 2 250; &CLOSE 0; &STAT 1 0; NEW 1; PAUSE; WRITE 0 0 4; CLOSE 0",
	"NEW 1; WRITE 0 0 40; &STAT 0 0; MALFORMED 0 3",
	"MALFORMED 1 4", "MALFORMED 2 5", "MALFORMED 3 6", "NEW 1; MALFORMED 4 6", "MALFORMED 5 6", "MALFORMED 6 0",
	"MALFORMED 7 3", "MALFORMED 200 3", "MALFORMED 202 3",
	"NEW 1; WRITE 0 0 255; WRITE 0 0 255; HALF 0 0 3", "NEW 1; WRITE 0 0 255; HALF 0 10 0",
	"NEW 1; &WRITE 0 0 255; &CLOSE 0; CUT 0", "NEW 1; &WRITE 0 0 255; &CLOSE 0; CUT 1",
	"NEW 1; WRITE 0 0 255; WRITE 0 0 255", "FAULT 1 3; NEW 1; WRITE 0 0 9; &CLOSE 0; CUT 0", "MANY 1 133; CLOSE 0; MANY 0 9; CLOSE 5",
	"OPEN 12 1 0; OPEN 13 2 0; OPEN 14 26 0; OPEN 15 26 0; OPEN 16 26 0; OPEN 9 26 0; STAT 14 0; REMOVE 16; MKDIR 14; " +
		" RENAME 0 14 0; NEW 7; NEW 15; WRITE 0 0 4; CLOSE 0",
}

// encodeSession returns the program of a session.
func encodeSession(text string) (program []byte) {
	for line := range strings.SplitSeq(text, ";") {
		words := strings.Fields(line)
		name, isAsync := strings.CutPrefix(words[0], "&")
		op := byte(slices.IndexFunc(fuzzOps, func(op fuzzOp) bool { return op.name == name }))
		if isAsync {
			op |= 128
		}
		program = append(program, op)
		for _, w := range words[1:] {
			n, err := strconv.Atoi(w)
			if err != nil {
				panic(err)
			}
			program = append(program, byte(n))
		}
	}
	return program
}
