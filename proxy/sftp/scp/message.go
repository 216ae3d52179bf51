package scp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// maxLine limits the bytes of a line: names have at most 1,024.
const maxLine = 4 << 10

// ErrProtocol means that the peer has sent what it may not send. What follows cannot be understood.
var ErrProtocol = errors.New("protocol error")

// A Kind is the first byte of a line.
type Kind byte

// The kinds of lines.
const (
	Warning   Kind = 1   // a file could not be read; the session goes on
	Fatal     Kind = 2   // the session ends
	File      Kind = 'C' // its data follow
	Directory Kind = 'D' // its entries follow, and then End
	End       Kind = 'E' // of a directory
	Times     Kind = 'T' // of the File or Directory that follows
)

// A Message is a line of the sender.
type Message struct {
	Kind    Kind
	Size    int64     // File
	Name    string    // File, Directory: without slashes, neither "", "." nor ".."; it may have control characters
	ModTime time.Time // Times
	Text    string    // Warning, Fatal
}

// A Refusal is a negative answer of the peer.
type Refusal struct {
	Fatal bool   // the session ends
	Text  string // printable
}

func (r *Refusal) Error() string { return "the client says: " + r.Text }

// A Reader reads what the peer sends. It is used by one goroutine.
type Reader struct{ r *bufio.Reader }

// NewReader returns a reader of the messages, answers and data on r.
func NewReader(r io.Reader) *Reader { return &Reader{bufio.NewReaderSize(r, maxLine)} }

// Read reads the data of a file, of which the caller knows the size.
func (r *Reader) Read(p []byte) (int, error) { return r.r.Read(p) }

// Answer reads an answer of the peer. The error is a [Refusal] if it is negative.
func (r *Reader) Answer() error {
	code, err := r.r.ReadByte()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil || code == 0 {
		return err
	}
	r.r.UnreadByte()
	line, err := r.line()
	if err != nil {
		return err
	}
	switch Kind(code) {
	case Warning, Fatal:
		return &Refusal{Kind(code) == Fatal, printable(line[1:])}
	}
	return fmt.Errorf("%w: expected an answer", ErrProtocol)
}

// Next reads a line of the sender. The error is io.EOF if the peer has ended before one.
func (r *Reader) Next() (Message, error) {
	line, err := r.line()
	if err != nil {
		return Message{}, err
	}
	if line == "" {
		return Message{}, fmt.Errorf("%w: unexpected newline", ErrProtocol)
	}
	m, rest := Message{Kind: Kind(line[0])}, line[1:]
	switch m.Kind {
	case Warning, Fatal:
		m.Text = printable(rest)
	case End:
		if rest != "" {
			err = fmt.Errorf("%w: characters after E", ErrProtocol)
		}
	case Times:
		m.ModTime, err = parseTimes(rest)
	case File, Directory:
		m.Size, m.Name, err = parseFile(rest)
	default:
		err = fmt.Errorf("%w: expected a control record", ErrProtocol)
	}
	return m, err
}

// line reads a line, and returns it without its newline.
func (r *Reader) line() (string, error) {
	line, err := r.r.ReadSlice('\n')
	switch {
	case err == bufio.ErrBufferFull:
		return "", fmt.Errorf("%w: a line of more than %d bytes", ErrProtocol, maxLine)
	case err == io.EOF && len(line) > 0:
		return "", io.ErrUnexpectedEOF
	case err != nil:
		return "", err
	}
	return string(line[:len(line)-1]), nil
}

// parseFile parses what follows C or D: mode, size and name.
func parseFile(text string) (size int64, name string, err error) {
	mode, rest, ok := strings.Cut(text, " ")
	if _, err := strconv.ParseUint(mode, 8, 16); !ok || err != nil || !isDigits(mode) {
		return 0, "", fmt.Errorf("%w: bad mode", ErrProtocol)
	}
	digits, name, ok := strings.Cut(rest, " ")
	if !ok {
		return 0, "", fmt.Errorf("%w: size not delimited", ErrProtocol)
	}
	if size, err = strconv.ParseInt(digits, 10, 64); err != nil || !isDigits(digits) {
		return 0, "", fmt.Errorf("%w: bad size", ErrProtocol)
	}
	if name == "" || name == "." || name == ".." || strings.Contains(name, "/") {
		return 0, "", fmt.Errorf("%w: unexpected file name", ErrProtocol)
	}
	return size, name, nil
}

// maxTime is the last second of the year 9999.
const maxTime = 253402300799

// parseTimes parses what follows T: the seconds and microseconds of the modification time, and those of the last access.
func parseTimes(text string) (mtime time.Time, err error) {
	fields := strings.Split(text, " ")
	ok := len(fields) == 4
	for _, f := range fields {
		ok = ok && isDigits(f)
	}
	if !ok {
		return time.Time{}, fmt.Errorf("%w: bad times", ErrProtocol)
	}
	seconds, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil || seconds > maxTime {
		return time.Time{}, fmt.Errorf("%w: time out of range", ErrProtocol)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// isDigits reports whether text has decimal digits only, and some.
func isDigits(text string) bool { return text != "" && strings.Trim(text, "0123456789") == "" }

// printable returns text with a question mark for each byte that may harm a terminal or a log.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || 0x7f <= r && r < 0xa0 || r == '\uFFFD' {
			return '?'
		}
		return r
	}, text)
}

// Modes of files and directories.
const (
	fileMode      = 0o644
	directoryMode = 0o755
)

// AppendFile appends the line for a file, after which its data are sent.
func AppendFile(b []byte, size int64, name string) []byte {
	return fmt.Appendf(b, "C%04o %d %s\n", fileMode, size, name)
}

// AppendDirectory appends the line for a directory, after which its entries are sent.
func AppendDirectory(b []byte, name string) []byte {
	return fmt.Appendf(b, "D%04o 0 %s\n", directoryMode, name)
}

// AppendEnd appends the line for the end of a directory.
func AppendEnd(b []byte) []byte { return append(b, "E\n"...) }

// AppendTimes appends the line with the times of the next file. The access time is unknown.
func AppendTimes(b []byte, mtime time.Time) []byte {
	seconds := min(max(mtime.Unix(), 0), maxTime)
	return fmt.Appendf(b, "T%d 0 %d 0\n", seconds, seconds)
}

// AppendOK appends a positive answer.
func AppendOK(b []byte) []byte { return append(b, 0) }

// AppendRefusal appends a negative answer, or in place of a file that it cannot be sent.
func AppendRefusal(b []byte, r Refusal) []byte {
	kind := Warning
	if r.Fatal {
		kind = Fatal
	}
	return append(append(append(b, byte(kind)), printable("scp: "+r.Text)...), '\n')
}
