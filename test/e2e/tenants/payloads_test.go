package tenants

import (
	"slices"
	"strings"
)

// payloads returns paths that try to reach the prefix of another user, which is written without its slash.
func payloads(other string) []string {
	return slices.Concat(dots(other), escaped(other), binary(other), blended(other), long(other))
}

// pathsOnly returns the paths of payloads that lead elsewhere as paths do. Which bytes and characters are refused does not depend on
// the place.
func pathsOnly(other string) []string {
	return slices.Concat(dots(other), escaped(other)[:24], long(other)[:4])
}

// foreign returns the paths of payloads that charsets and backslashes can change.
func foreign(other string) []string {
	return slices.Concat(dots(other)[:20], escaped(other)[:20], binary(other), blended(other))
}

// dots returns paths with dots and slashes.
func dots(other string) []string {
	return []string{
		".", "..", "...", "/", "//", "./", "../", "/.", "/..", "/../", "dir/", "dir//", "dir/.", "dir/..", "dir/../..", "/dir/./.././../",
		"../" + other, "../" + other + "/", "../" + other + "/secret.txt", "/../" + other + "/secret.txt", "//../" + other, ".//..//" + other,
		"./../" + other + "/secret.txt", "../../../../../../" + other + "/secret.txt", "dir/../../" + other + "/secret.txt",
		"dir/../../../" + other + "/secret.txt", "dir/..//../" + other, "own.txt/../../" + other + "/secret.txt", "..." + "/" + other,
		other, other + "/", "/" + other, "//" + other, other + "/secret.txt", "/" + other + "/secret.txt", "//" + other + "//secret.txt/",
		strings.TrimPrefix(other, "a"), strings.TrimPrefix(other, "a") + "/secret.txt", // as if added to the prefix a without its slash
		". ./" + other, ".. /" + other, " ../" + other, "\t../" + other, " ..", ".. ", "..;/" + other, "../" + other + "/secret.txt/..",
	}
}

// escaped returns paths in the notation of URLs, shells and other systems.
func escaped(other string) []string {
	return []string{
		"%2e%2e/" + other, "%2e%2e%2f" + other + "%2fsecret.txt", "%252e%252e%252f" + other, "..%2f" + other, "..%5c" + other, "%00", "%2e", "..%00/" + other,
		`..\` + other, `..\` + other + `\secret.txt`, `\..\` + other, `dir\..\..\` + other + `\secret.txt`, `/\../` + other, `\`, `\\`, `dir\`, `..\..`,
		`.\..\` + other,
		`C:\` + other, `\\files\` + other + `\secret.txt`, "~", "~" + other, "~/../" + other, "$HOME/../" + other, "`id`", "|cat", "; ls ../" + other,
		"s3://files/" + other + "/secret.txt", "/files/" + other + "/secret.txt", "files/" + other, "arn:aws:s3:::files/" + other,
		"own.txt?versionId=null", "../" + other + "/secret.txt?versionId=null", "own.txt#", "?list-type=2&prefix=" + other + "/", "own.txt?prefix=", "+",
		"own.txt&x=",
		`"../` + other + `"`, `'../` + other + `'`, "<Key>" + other + "/secret.txt</Key>", "]]>", "&amp;", "&#46;&#46;/" + other,
		"*", "../*", "/../*", "../" + other + "/*", "[.][.]/" + other + "/*", "..*/" + other, "?", "??/" + other, ".?/" + other + "/*",
		"{..,dir}/" + other, "s*", "[a-z]*", "dir/../*",
		"-R ..", "-a ../" + other, "-la ../" + other + "/*", "-R", "-R /", "--", "-- ../" + other,
	}
}

// binary returns paths with bytes that are not text.
func binary(other string) []string {
	return []string{
		"..\x00/" + other, "../" + other + "\x00.txt", "\x00", "\x00../" + other, "..\x0b/" + other, "..\r/" + other, "../" + other + "\r", "..\x08../" + other,
		"\x1b[2J../" + other, "\x7f../" + other, "..\u0085/" + other, "..\u009b/" + other,
		"\xc0\xae\xc0\xae/" + other, "\xc0\xae\xc0\xae\xc0\xaf" + other, "..\xc0\xaf" + other, "\xe0\x80\xae\xe0\x80\xae/" + other, "\xf0\x80\x80\xae./" + other,
		"..\xff/" + other, "\xed\xa0\x80/" + other, "\xfe\xff", "..\xc1\x9c" + other, "\xae\xae\xaf" + other, "..\xa0/" + other,
		// Telnet: IAC NOP, IAC IP, IAC WILL, a subnegotiation and an escaped IAC, which leave "../" if they are removed.
		".\xff\xf1./" + other, "..\xff\xf4/" + other, ".\xff\xfb\x01./" + other, "\xff\xfa\x18\x00\xff\xf0../" + other, "..\xff\xff/" + other, ".\xff\xf2./" + other,
		// A backslash as the second byte of a character in Shift JIS and in GBK, and beside one.
		"\x81\x5c../" + other, "\x83\x5c..\\" + other, "..\x81\x5c" + other, "\x95\x5c\\..\\" + other, "\xaa\x5c..\\" + other,
		"\x81\x5c/../" + other, "..\x5c\x81\x5c",
		"\x81/../" + other, "..\x81/" + other, "\x81\x2e./" + other, "\xa1\xa5\xa1\xa5/" + other, "\xa3\xae\xa3\xae\xa3\xaf" + other, "\x80..",
		"\xa5../" + other,
	}
}

// blended returns paths with characters that look like dots, slashes or nothing.
func blended(other string) []string {
	return []string{
		"\uff0e\uff0e/" + other, "\uff0e\uff0e\uff0f" + other, "..\uff0f" + other, "\u2025/" + other, "..\u2215" + other, "..\u2044" + other, "..\uff3c" + other,
		"../\u202e" + other, "\u202etxt.terces/" + other, ".\u200b./" + other, ".\u200d./" + other, "\ufeff../" + other, ".\u0338./" + other,
		"..\u2028/" + other, "..\u00ad/" + other, "..\u0301/" + other, other + "\u0301", "\u3002\u3002/" + other, "\uff41", "\u0430", "\u0000e9/" + other,
	}
}

// long returns long paths.
func long(other string) []string {
	return []string{
		strings.Repeat("../", 300) + other + "/secret.txt", strings.Repeat("../", 1500) + other, strings.Repeat("/", 1500) + "../" + other,
		".." + strings.Repeat("/", 900) + other, strings.Repeat("x", 1022), strings.Repeat("x", 1023), strings.Repeat("x", 1024), strings.Repeat("x", 1100),
		strings.Repeat("y/", 505), strings.Repeat("y/", 600) + strings.Repeat("../", 601) + other, strings.Repeat("\u00e9", 510), strings.Repeat("\u00e9", 512),
		strings.Repeat("*", 300), strings.Repeat("[", 300), strings.Repeat(`\`, 1100),
	}
}
