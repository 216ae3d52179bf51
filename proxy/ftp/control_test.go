package ftp

import (
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// linesOf returns all lines of a text that cut splits into reads.
func linesOf(text string, cut func(io.Reader) io.Reader) (lines []line, err error) {
	return linesUpTo(maxLine, text, cut)
}

func linesUpTo(most int, text string, cut func(io.Reader) io.Reader) (lines []line, err error) {
	t := newTelnet(cut(strings.NewReader(text)), func() int { return most })
	for {
		l, err := t.line()
		if err != nil {
			return lines, err
		}
		lines = append(lines, l)
	}
}

func TestTelnetLines(t *testing.T) {
	long := strings.Repeat("x", maxLine)
	for _, c := range []struct {
		in   string
		want []line
	}{
		{"NOOP\r\n", []line{{text: "NOOP"}}},
		{"NOOP\nQUIT\n", []line{{text: "NOOP"}, {text: "QUIT"}}},
		{"\r\n\n", []line{{text: ""}, {text: ""}}},
		{"a\rb\r\r\n", []line{{text: "a\rb\r"}}},
		{"cut", nil},
		{"NOOP\r\ncut\r", []line{{text: "NOOP"}}},
		{long + "\n", []line{{text: long}}},
		{long + "\r\n", []line{{text: long}}},
		{long + "\ry\n\n", []line{{text: long, tooLong: true}, {text: ""}}},
		{long + "y", []line{{text: long, tooLong: true}}},
		{long + "y\r\nNOOP\r\n", []line{{text: long, tooLong: true}, {text: "NOOP"}}},
		{long + long + long + "\n\n", []line{{text: long, tooLong: true}, {text: ""}}},
		{"\xff\xf4\xff\xf2ABOR\r\n", []line{{text: "ABOR"}}},
		{"\xff\xf4\xf2ABOR\r\n", []line{{text: "\xf2ABOR"}}},
		{"A\xff\xfb\x01B\xff\xfc\x02C\xff\xfd\x03D\xff\xfe\x04\n", []line{{text: "ABCD"}}},
		{"\xff\xfd\n\n", []line{{text: ""}}},
		{"A\xff\xfa\x18\x00\nx\xff\xf0B\n", []line{{text: "AB"}}},
		{"\xff\xfa\x18 never ends\n", nil},
		{"A\xff\xffB\n", []line{{text: "A\xffB"}}},
		{"A\xff", nil},
	} {
		for name, cut := range pieces {
			got, err := linesOf(c.in, cut)
			if err != io.EOF || len(got) != len(c.want) {
				t.Errorf("%.20q %s: %d lines, %v; want %d", c.in, name, len(got), err, len(c.want))
				continue
			}
			for i := range got {
				if got[i] != c.want[i] {
					t.Errorf("%.20q %s: line %d is %.60q, want %.60q", c.in, name, i, got[i].text, c.want[i].text)
				}
			}
		}
	}
}

// readLines reports the end of the control connection before its last lines are read from the queue. It ends with done, also while it
// waits for room in the queue.
func TestReadLinesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		queue, gone, done := newCommandQueue(), make(chan struct{}), make(chan struct{})
		lines := queue.lines
		go readLines(server, queue, gone, done)
		io.WriteString(client, "ONE\r\nTWO\r\n")
		client.Close()
		<-gone
		for _, want := range []string{"ONE", "TWO"} {
			if l := <-lines; l.text != want {
				t.Errorf("line %q, want %q", l.text, want)
			}
		}
		if _, open := <-lines; open {
			t.Error("the queue has more than the two lines")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		queue, gone, done := newCommandQueue(), make(chan struct{}), make(chan struct{})
		go readLines(server, queue, gone, done)
		io.WriteString(client, strings.Repeat("ONE\r\n", maxQueuedBeforeLogin+1))
		close(done)
		<-gone
		client.Close()
	})
}

// If more is true for a line that is not followed by another, the session waits for ever.
func TestMoreLines(t *testing.T) {
	for in, want := range map[string][]bool{
		"A\r\nB\r\nC":                           {true, false},
		"A\n":                                   {false},
		"A\nB":                                  {false},
		"A\n\nB\n":                              {true, true, false},
		strings.Repeat("x", maxLine+9) + "\r\n": {false},
		"A\r\n\xff\xfa\x18\r\nB\r\n":            {false},
	} {
		var got []bool
		tn := newTelnet(strings.NewReader(in), func() int { return maxLine })
		l := tn.next()
		for ; l.err == nil; l = tn.next() {
			got = append(got, l.more)
		}
		if !slices.Equal(got, want) || l.err != io.EOF {
			t.Errorf("%.20q: %v, %v; want %v", in, got, l.err, want)
		}
	}
}
