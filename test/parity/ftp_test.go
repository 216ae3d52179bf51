package parity

import (
	"fmt"
	"io"
	"net"
	"net/textproto"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An ftpClient is a session of FTP.
type ftpClient struct {
	*side
	control *textproto.Conn
}

func dialFTP(s *side, addr string) *ftpClient {
	control, err := textproto.Dial("tcp", addr)
	if err != nil {
		s.Fatal(err)
	}
	c := &ftpClient{s, control}
	c.reply()
	for _, line := range []string{"USER user", "PASS secret", "TYPE I"} {
		c.command(line)
	}
	return c
}

func (c *ftpClient) close() { c.control.Close() }

// reply returns the next reply.
func (c *ftpClient) reply() (code int, text string) {
	code, text, err := c.control.ReadResponse(0)
	if err != nil {
		c.Fatal(err)
	}
	return code, text
}

func (c *ftpClient) command(line string) (code int, text string) {
	if err := c.control.PrintfLine("%s", strings.ReplaceAll(line, "\xff", "\xff\xff")); err != nil { // a Telnet command, else
		c.Fatal(err)
	}
	return c.reply()
}

// do returns what a user sees of a command.
func (c *ftpClient) do(line string) string { return c.seen(c.command(line)) }

var storedBytes = regexp.MustCompile(`^Invalid offset, (\d+|nothing).*`)

// seen returns what a user sees of a reply.
func (c *ftpClient) seen(code int, text string) string {
	switch m := storedBytes.FindStringSubmatch(text); {
	case code < 400:
		return "ok"
	case m != nil:
		return "error: the offset must be " + strings.ReplaceAll(m[1], "nothing", "0")
	}
	return "error: " + text
}

// transfer runs a command with a data connection. If broken, the client loses its connection after the server has received all data.
func (c *ftpClient) transfer(line, send string, broken bool) (seen, data string) {
	_, text := c.command("EPSV")
	port := strings.Trim(text[strings.Index(text, "("):], "(|)")
	conn, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		c.Fatal(err)
	}
	defer conn.Close()
	code, text := c.command(line)
	if code >= 300 {
		return c.seen(code, text), ""
	}
	switch {
	case strings.HasPrefix(line, "RETR"), strings.HasPrefix(line, "MLSD"):
		b, _ := io.ReadAll(conn)
		data = string(b)
	case broken:
		io.WriteString(conn, send)
		for n := range c.received {
			if n == len(send) {
				break
			}
		}
		conn.(*net.TCPConn).SetLinger(0)
	default:
		io.WriteString(conn, send)
	}
	conn.Close()
	return c.seen(c.reply()), data
}

func (c *ftpClient) stat(name string) string {
	code, text := c.command("MLST " + name)
	if code != 250 {
		return c.seen(code, text)
	}
	_, facts, _ := strings.Cut(text, "\n ")
	return c.entry(strings.Split(facts, "\n")[0])
}

// entry returns what a user sees of facts (RFC 3659, section 7.2).
func (c *ftpClient) entry(line string) string {
	facts, _, _ := strings.Cut(line, " ")
	fact := make(map[string]string)
	for f := range strings.SplitSeq(facts, ";") {
		name, value, _ := strings.Cut(f, "=")
		fact[name] = value
	}
	if fact["type"] == "dir" {
		return "dir"
	}
	mtime := time.Now() // unknown
	if text := fact["modify"]; text != "" {
		var err error
		if mtime, err = time.Parse("20060102150405", text); err != nil {
			c.Error(err)
		}
	}
	return fmt.Sprintf("file %s %s", fact["size"], seenTime(mtime))
}

func (c *ftpClient) list(dir string) string {
	seen, data := c.transfer("MLSD "+dir, "", false)
	var all []string
	for line := range strings.SplitSeq(strings.TrimSuffix(data, "\r\n"), "\r\n") {
		if _, name, ok := strings.Cut(line, " "); ok {
			all = append(all, name+": "+c.entry(line))
		}
	}
	slices.Sort(all)
	return strings.Join(append(all, seen), ", ")
}

func (c *ftpClient) get(name, offset string) string {
	if offset != "" {
		c.do("REST " + offset)
	}
	seen, data := c.transfer("RETR "+name, "", false)
	return strings.TrimSpace(seen + " " + data)
}

func (c *ftpClient) put(name, data string) string {
	seen, _ := c.transfer("STOR "+name, data, false)
	return seen
}

func (c *ftpClient) add(name, data string) string {
	seen, _ := c.transfer("APPE "+name, data, false)
	return seen
}

func (c *ftpClient) resume(name, offset, data string) string {
	c.do("REST " + offset)
	return c.put(name, data)
}

func (c *ftpClient) breakOff(name, data string) string {
	seen, _ := c.transfer("STOR "+name, data, true)
	if strings.HasPrefix(seen, "ok") {
		return seen
	}
	return "lost"
}

func (c *ftpClient) remove(name string) string { return c.do("DELE " + name) }
func (c *ftpClient) mkdir(dir string) string   { return c.do("MKD " + dir) }
func (c *ftpClient) rmdir(dir string) string   { return c.do("RMD " + dir) }

func (c *ftpClient) rename(from, to string) string {
	if seen := c.do("RNFR " + from); seen != "ok" {
		return seen
	}
	return c.do("RNTO " + to)
}

func (c *ftpClient) replace(from, to string) string { return c.rename(from, to) }

func (c *ftpClient) setTime(seconds, name string) string {
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		c.Error(err)
	}
	return c.do("MFMT " + time.Unix(n, 0).UTC().Format("20060102150405") + " " + name)
}
