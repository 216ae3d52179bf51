package main

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// A quirkRow is a test of one or more commands. It must succeed in every mode, except as listed in quirkExceptions.
type quirkRow struct {
	name  string
	there map[string]string // objects before; a name that ends in a slash is a directory marker
	do    func(c *ftpClient)
	then  map[string]string // objects afterwards; nil = as before
	until map[string]string // objects if only the last command failed; nil = as before
	or    map[string]string // objects afterwards that are accepted too; nil = none
	may   int               // a reply to the last command that is accepted on every service; 0 = none
}

type files = map[string]string

const mib = 1 << 20

var (
	small  = data("small", 1000)
	more   = data("more", 700)
	large  = data("large", 2*5*mib+1000) // three parts
	medium = data("medium", 5*mib+1000)  // two parts
	short  = data("short", mib)          // less than a part
)

var tree = files{"d/a1": small, "d/a2": more, "d/b": "", "d/sub/x": "x", "d/sub/y": "y", "d/tub/z": "z", "dd/other": "o"}

// lastField returns the name in a line of LIST or MLSD.
func lastField(line string) string { return line[strings.LastIndexByte(line, ' ')+1:] }

func plain(line string) string { return line }

var quirkRows = []quirkRow{
	{name: "STOR", do: func(c *ftpClient) { c.send("STOR f", small) }, then: files{"f": small}},
	{name: "STOR of nothing", do: func(c *ftpClient) { c.send("STOR f", "") }, then: files{"f": ""}},
	{name: "STOR over a file", there: files{"f": "old"}, do: func(c *ftpClient) { c.send("STOR f", small) }, then: files{"f": small}},
	{name: "STOR, large", there: files{"f": "old"}, do: func(c *ftpClient) { c.send("STOR f", large) }, then: files{"f": large}},
	{name: "STOR that breaks", there: files{"f": "old"}, do: func(c *ftpClient) { c.breakOff("STOR f", medium) }},
	{name: "STOU", there: files{"f": "old"}, do: func(c *ftpClient) {
		if reply := c.send("STOU f", small); c.refused == nil && strings.TrimSpace(strings.TrimPrefix(reply, "FILE: ")) == "f" {
			c.Error("STOU took a name that was not free")
		}
	}, then: files{"f": "old", "*": small}},
	{name: "APPE to a short file", there: files{"f": small}, do: func(c *ftpClient) { c.send("APPE f", more) }, then: files{"f": small + more}},
	{name: "APPE to a long file", there: files{"f": medium}, do: func(c *ftpClient) { c.send("APPE f", more) }, then: files{"f": medium + more}},
	{name: "APPE, large, to a long file", there: files{"f": medium}, do: func(c *ftpClient) { c.send("APPE f", medium) }, then: files{"f": medium + medium}},
	{name: "APPE to nothing", do: func(c *ftpClient) { c.send("APPE f", small) }, then: files{"f": small}},
	{name: "STOR after REST", there: files{"f": small}, do: func(c *ftpClient) {
		c.say("REST 10", 350)
		c.send("STOR f", more)
	}, then: files{"f": small[:10] + more}},
	{name: "STOR after REST, in a long file", there: files{"f": medium}, do: func(c *ftpClient) {
		c.say(fmt.Sprint("REST ", 5*mib+1), 350)
		c.send("STOR f", more)
	}, then: files{"f": medium[:5*mib+1] + more}},
	{name: "STOR that broke, resumed by REST", do: func(c *ftpClient) {
		c.breakOff("STOR f", medium)
		c.resume("STOR", "f", medium+more)
	}, then: files{"f": medium + more}},
	{name: "STOR that broke, resumed by APPE", do: func(c *ftpClient) {
		c.breakOff("STOR f", medium)
		c.resume("APPE", "f", medium+more)
	}, then: files{"f": medium + more}},
	{name: "STOR that broke, resumed after a deletion", do: func(c *ftpClient) {
		c.breakOff("STOR f", medium)
		if c.refused == nil && cmp.Or(errOf(c.other.Put(c.Context(), "/f", storetest.Source(strings.NewReader("x")), proxy.Write{})), errOf(c.other.Remove(c.Context(), "/f"))) != nil {
			c.Skip("this service takes nothing from others either")
		}
		c.resume("STOR", "f", medium+more)
	}, then: files{"f": medium + more}, may: 451}, // 451 if the deletion wins, because it began later than the upload
	// An upload of less than a second is not verified: the other program may have overwritten it just after it was complete.
	{name: "STOR that another program overtakes", do: func(c *ftpClient) {
		c.overtaken("STOR f", medium, func() {
			if _, err := c.other.Put(c.Context(), "/f", storetest.Source(strings.NewReader(small)), proxy.Write{}); err != nil {
				c.Error(err)
			}
		})
	}, then: files{"f": medium}, until: files{"f": small}, or: files{"f": small}, may: 451},
	{name: "SIZE, MDTM, MLST", there: files{"f": small}, do: func(c *ftpClient) {
		c.says("SIZE f", 213, "1000")
		c.says("MDTM f", 213, "20")
		c.says("MLST f", 250, "size=1000")
	}},
	{name: "SIZE of a long file", there: files{"f": short}, do: func(c *ftpClient) { c.says("SIZE f", 213, fmt.Sprint(mib)) }},
	{name: "SIZE of nothing", there: files{"foo": "x"}, do: func(c *ftpClient) { c.say("SIZE f", 550) }},
	{name: "MLST of a directory", there: tree, do: func(c *ftpClient) { c.says("MLST d", 250, "type=dir") }},
	{name: "CWD", there: tree, do: func(c *ftpClient) {
		c.say("CWD d/sub", 250)
		c.says("SIZE x", 213, "1")
	}},
	{name: "CWD to nothing", there: tree, do: func(c *ftpClient) { c.say("CWD e", 550) }},
	{name: "LIST", there: tree, do: func(c *ftpClient) { c.lists("LIST d", lastField, "a1", "a2", "b", "sub", "tub") }},
	{name: "NLST", there: tree, do: func(c *ftpClient) { c.lists("NLST d", plain, "d/a1", "d/a2", "d/b", "d/sub", "d/tub") }},
	{name: "NLST x*", there: tree, do: func(c *ftpClient) { c.lists("NLST d/a*", plain, "d/a1", "d/a2") }},
	{name: "MLSD", there: tree, do: func(c *ftpClient) {
		c.lists("MLSD d", lastField, "a1", "a2", "b", "sub", "tub")
	}},
	{name: "LIST of nothing", there: tree, do: func(c *ftpClient) { c.say("STAT e", 550) }},
	{name: "RETR", there: files{"f": small}, do: func(c *ftpClient) { c.retrieve("RETR f", small) }},
	{name: "RETR of a large upload", do: func(c *ftpClient) {
		c.send("STOR f", medium)
		c.retrieve("RETR f", medium)
	}, then: files{"f": medium}, until: files{"f": medium}},
	{name: "RETR after REST", there: files{"f": short}, do: func(c *ftpClient) {
		c.say(fmt.Sprint("REST ", mib/2+7), 350)
		c.retrieve("RETR f", short[mib/2+7:])
	}},
	{name: "RETR of nothing", do: func(c *ftpClient) {
		if conn, _ := c.open("RETR f"); conn == nil && c.refused != nil && c.refused.code == 550 {
			c.refused = nil
		}
	}},
	{name: "RNTO of a file", there: files{"f": small, "g": "old"}, do: func(c *ftpClient) { c.rename("f", "g") }, then: files{"g": small}},
	{name: "RNTO of a large upload", do: func(c *ftpClient) {
		c.send("STOR f.part", medium)
		c.rename("f.part", "f")
	}, then: files{"f": medium}, until: files{"f.part": medium}},
	{name: "RNTO of a directory", there: tree, do: func(c *ftpClient) { c.rename("d", "e") },
		then: files{"e/a1": small, "e/a2": more, "e/b": "", "e/sub/x": "x", "e/sub/y": "y", "e/tub/z": "z", "dd/other": "o"}},
	{name: "RNTO of a directory to one that is there", there: tree, do: func(c *ftpClient) {
		c.say("RNFR d", 350)
		c.say("RNTO dd", 550)
	}},
	{name: "DELE", there: tree, do: func(c *ftpClient) { c.say("DELE dd/other", 250) },
		then: files{"d/a1": small, "d/a2": more, "d/b": "", "d/sub/x": "x", "d/sub/y": "y", "d/tub/z": "z"}},
	{name: "DELE of nothing", there: tree, do: func(c *ftpClient) { c.say("DELE f", 550) }},
	{name: "DELE of an upload that broke", do: func(c *ftpClient) {
		c.breakOff("STOR f", medium)
		c.say("DELE f", 250)
		c.say("SIZE f", 550)
	}},
	{name: "MKD", there: tree, do: func(c *ftpClient) {
		c.say("MKD e", 257)
		c.say("MKD d", 550)
		c.say("RMD e", 250)
	}},
	{name: "RMD", there: files{"d/": "", "e/": "", "e/f": "x"}, do: func(c *ftpClient) {
		c.say("RMD d", 250)
		c.say("RMD e", 550)
	}, then: files{"e/": "", "e/f": "x"}},
	{name: "MFMT", there: files{"f": small}, do: func(c *ftpClient) {
		c.say("MFMT 20260102030405 f", 213)
		c.says("MDTM f", 213, "20260102030405")
	}},
	{name: "MFMT of a large upload", do: func(c *ftpClient) {
		c.send("STOR f", medium)
		c.say("MFMT 20260102030405 f", 213)
		c.says("MDTM f", 213, "20260102030405")
	}, then: files{"f": medium}, until: files{"f": medium}},
	{name: "HASH, XCRC", there: files{"f": small}, do: func(c *ftpClient) {
		c.says("HASH f", 213, fmt.Sprintf("%x", sha256.Sum256([]byte(small))))
		c.says("XCRC f", 250, fmt.Sprintf("%08X", crc32.ChecksumIEEE([]byte(small))))
	}},
	{name: "HASH of a large upload", do: func(c *ftpClient) {
		c.send("STOR f", medium)
		c.says("HASH f", 213, fmt.Sprintf("%x", sha256.Sum256([]byte(medium))))
	}, then: files{"f": medium}, until: files{"f": medium}},
	{name: "RETR of an archived file", there: files{"f.archived": small}, do: func(c *ftpClient) { c.retrieve("RETR f.archived", small) }},
	{name: "RNTO of an archived file", there: files{"f.archived": small}, do: func(c *ftpClient) { c.rename("f.archived", "f") }, then: files{"f": small}},
}

// rename renames a file or a directory.
func (c *ftpClient) rename(from, to string) {
	c.say("RNFR "+from, 350)
	c.say("RNTO "+to, 250)
}

// resume continues a broken upload at the offset that SIZE reports.
func (c *ftpClient) resume(command, name, content string) {
	text := c.say("SIZE "+name, 213)
	if c.refused != nil {
		return
	}
	var at int
	if _, err := fmt.Sscan(text, &at); err != nil || at < 5*mib || at >= len(content) {
		c.Errorf("SIZE of an upload that broke: %q", text)
		return
	}
	if command == "STOR" {
		c.say(fmt.Sprint("REST ", at), 350)
	}
	c.send(command+" "+name, content[at:])
}

// errOf returns only the error of a store's operation.
func errOf(_ proxy.Stored, err error) error { return err }
