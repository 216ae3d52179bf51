package config

import (
	"math"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"1": 1, "65536": 65536, "64KiB": 64 << 10, "8MiB": 8 << 20, "8 MiB": 8 << 20, "1GiB": 1 << 30, "2TiB": 2 << 40,
		"1kB": 1000, "10MB": 10_000_000, "3GB": 3_000_000_000, "8mib": 8 << 20, "7B": 7, "9223372036854775807": math.MaxInt64,
	} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("%q: got %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "0MiB", "-1", "8M", "8k", "MiB", "1.5GiB", "8 Mi B", "8MiB/s", "8Mib8", "+8", "0x8", "1e6",
		"9223372036854775808", "8388608TiB", "٨MiB"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("%q is parsed as %d", text, got)
		}
	}
}

func FuzzSize(f *testing.F) {
	for _, text := range []string{"8MiB", "0", "9223372036854775807", "8 GB", "B", "1TiB1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := parseSize(text)
		if err != nil {
			return
		}
		if n <= 0 {
			t.Fatalf("%q is parsed as %d", text, n)
		}
		if again, err := parseSize(strings.TrimSuffix(SizeText(n), " bytes")); err != nil || again != n {
			t.Fatalf("%d is formatted as %s, which is parsed as %d, %v", n, SizeText(n), again, err)
		}
	})
}

func TestParsePartSize(t *testing.T) {
	for text, good := range map[string]bool{"5MiB": true, "5GiB": true, "5MB": false, "5242879": false, "5368709121": false} {
		if _, err := parsePartSize(text); (err == nil) != good {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

func TestParseMemory(t *testing.T) {
	for text, good := range map[string]bool{"8MiB": true, "1TiB": true, "8MB": false, "1": false} {
		if _, err := parseMemory(text); (err == nil) != good {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

func TestParsePorts(t *testing.T) {
	for text, want := range map[string]Ports{"1-65535": {1, 65535}, "2000": {2000, 2000}, "7-7": {7, 7}} {
		if got, err := parsePorts(text); err != nil || got != want {
			t.Errorf("%q: got %v, %v", text, got, err)
		}
	}
	for text, wantErr := range map[string]string{
		"": "range", "0-10": "range", "10-65536": "range", "a-b": "range", "1-2-3": "range", "-5": "range", "10-5": "5-10", "1 - 2": "range",
	} {
		if _, err := parsePorts(text); err == nil || !strings.Contains(err.Error(), wantErr) {
			t.Errorf("%q: got %v, want an error with %s", text, err, wantErr)
		}
	}
}

func TestParseRules(t *testing.T) {
	network := netip.MustParsePrefix
	for text, want := range map[string][]Rule{
		"auto":                             {{Address: "auto"}},
		"203.0.113.10":                     {{Address: "203.0.113.10"}},
		"ftp.example.com":                  {{Address: "ftp.example.com"}},
		"10.0.0.0/8=auto":                  {{network("10.0.0.0/8"), "auto"}},
		"10.0.0.0/8=auto, 192.0.2.1":       {{network("10.0.0.0/8"), "auto"}, {Address: "192.0.2.1"}},
		"192.0.2.7=host_1,fd00::/8=auto,x": {{network("192.0.2.7/32"), "host_1"}, {network("fd00::/8"), "auto"}, {Address: "x"}},
	} {
		if got, err := parseRules(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %v, %v", text, got, err)
		}
	}
	for text, wantErr := range map[string]string{
		"": "must be auto", ",": "must be auto", "auto,auto": "at the end", "203.0.113.10,10.0.0.0/8=auto": "at the end",
		"10.0.0.1/8=auto": "10.0.0.0/8", "10.0.0.0/8=auto,10.0.0.0/8=x": "only once", "10/8=auto": "not a network",
		"2001:db8::1": "EPSV", "0.0.0.0": "that clients can connect to", "224.0.0.1": "that clients can connect to", "203.0.113": "must be auto", "a b": "must be auto",
		"-x.example": "must be auto", "a..b": "must be auto", "1.2.3.4=": "must be auto", "fe80::1%eth0=auto": "not a network", "10.0.0.0/8=auto=x": "must be auto",
	} {
		if got, err := parseRules(text); err == nil || !strings.Contains(err.Error(), wantErr) {
			t.Errorf("%q: got %v, %v, want an error with %q", text, got, err, wantErr)
		}
	}
}

func FuzzPassiveAddress(f *testing.F) {
	for _, text := range []string{"auto", "10.0.0.0/8=auto,203.0.113.10", "::ffff:1.2.3.4=x,y", "fd00::/8=ftp.example.com", ",,=", "a.b."} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := parseRules(text)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Fatalf("%q: an error of more than one line: %v", text, err)
			}
			return
		}
		if len(rules) == 0 {
			t.Fatalf("%q gives no rules", text)
		}
		for i, r := range rules {
			if !r.Client.IsValid() && i < len(rules)-1 {
				t.Fatalf("%q: rules after the one for all clients", text)
			}
			if ip, err := netip.ParseAddr(r.Address); err == nil && !ip.Unmap().Is4() {
				t.Fatalf("%q: PASV would name %s", text, ip)
			}
			if r.Address == "" || len(r.Address) > 254 {
				t.Fatalf("%q: address %q", text, r.Address)
			}
		}
	})
}

func TestParseStorage(t *testing.T) {
	for _, c := range []struct {
		parse   func(string) (string, error)
		text    string
		want    string // or wantErr
		wantErr string
	}{
		{parseBucket, "invoices", "invoices", ""},
		{parseBucket, "Old_Bucket.1", "Old_Bucket.1", ""},
		{parseBucket, "arn:aws:s3:eu-west-1:1:accesspoint/x", "arn:aws:s3:eu-west-1:1:accesspoint/x", ""},
		{parseBucket, "s3://invoices/alice/", "", `--bucket "invoices" --prefix "alice/"`},
		{parseBucket, "s3://invoices", "", `must be the name alone: --bucket "invoices"`},
		{parseBucket, "invoices/", "", `must be the name alone: --bucket "invoices"`},
		{parseBucket, "arn:aws:s3:::invoices", "", `must be the name alone: --bucket "invoices"`},
		{parseBucket, "arn:aws:s3:::invoices/alice/*", "", `--bucket "invoices" --prefix "alice/"`},
		{parseBucket, "ab", "", "at least 3 letters"},
		{parseBucket, "in voices", "", "letters"},
		{parsePrefix, "", "", ""},
		{parsePrefix, "a", "a/", ""},
		{parsePrefix, "customers/ali ce/", "customers/ali ce/", ""},
		{parsePrefix, "/a", "", "without a slash at the beginning"},
		{parsePrefix, "/", "", `must be "" for the whole bucket`},
		{parsePrefix, "s3://invoices/alice", "", `--bucket "invoices" --prefix "alice"`},
		{parsePrefix, "a//b", "", "//"},
		{parsePrefix, "a/../b", "", ".."},
		{parsePrefix, "a\x00", "", "control"},
		{parsePrefix, "a\xff", "", "UTF-8"},
		{parsePrefix, strings.Repeat("a", 513), "", "512"},
		{parseEndpoint, "http://127.0.0.1:9000", "http://127.0.0.1:9000", ""},
		{parseEndpoint, "127.0.0.1:9000", "", "has no scheme: must be http://127.0.0.1:9000 or https"},
		{parseEndpoint, "ftp://x", "", "URL"},
		{parseEndpoint, "http://", "", "URL"},
		{parseEndpoint, "http://x?y=z", "", "the ? or # of the URL"},
		{parseEndpoint, "http://x#y", "", "the ? or # of the URL"},
		{parseEndpoint, "s3.example.com", "", "http://s3.example.com or https://s3.example.com"},
		{parseEndpoint, "http:/x", "", "URL"},
		{parseEndpoint, "http://x:0", "", "from 1 to 65535"},
		{parseEndpoint, "http://x:65536", "", "from 1 to 65535"},
		{parseEndpoint, "http://x/a/path", "http://x/a/path", ""},
		{parseBucket, "http://x/invoices?Signature=y", "", "--endpoint"},
		{parseRegion, "eu-central-1", "eu-central-1", ""},
		{parseRegion, "eu central", "", "region"},
		{listenAddress, "", "", ""},
		{listenAddress, "[::1]:21", "[::1]:21", ""},
		{listenAddress, "localhost:2121", "localhost:2121", ""},
		{listenAddress, "21", "", "with a port"},
		{listenAddress, ":ftp", "", "with a port"},
		{listenAddress, "::1:21", "", "with a port"},
		{listenAddress, ":65536", "", "with a port"},
		{listenAddress, "ftp://x:21", "", "with a port"},
		{s3Address, "", "", "with a port"},
		{parseUser, "alice", "alice", ""},
		{parseUser, "", "", "1 to 128"},
		{parseUser, "a\tb", "", "control"},
	} {
		got, err := c.parse(c.text)
		switch {
		case c.wantErr == "" && (err != nil || got != c.want):
			t.Errorf("%q: got %q, %v", c.text, got, err)
		case c.wantErr != "" && (err == nil || !strings.Contains(err.Error(), c.wantErr)):
			t.Errorf("%q: got %q, %v, want an error with %q", c.text, got, err, c.wantErr)
		}
	}
}

func TestDefaultMemory(t *testing.T) {
	limit := func(n int64) *fstest.MapFile { return &fstest.MapFile{Data: []byte(strconv.FormatInt(n, 10) + "\n")} }
	text := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	for name, c := range map[string]struct {
		root fstest.MapFS
		want int64
	}{
		"no groups":      {fstest.MapFS{}, 256 << 20},
		"v2 unlimited":   {fstest.MapFS{"proc/self/cgroup": text("0::/\n"), "sys/fs/cgroup/memory.max": text("max\n")}, 256 << 20},
		"v2 container":   {fstest.MapFS{"proc/self/cgroup": text("0::/\n"), "sys/fs/cgroup/memory.max": limit(128 << 20)}, 64 << 20},
		"v2 plenty":      {fstest.MapFS{"proc/self/cgroup": text("0::/\n"), "sys/fs/cgroup/memory.max": limit(4 << 30)}, 256 << 20},
		"v2 tiny":        {fstest.MapFS{"proc/self/cgroup": text("0::/\n"), "sys/fs/cgroup/memory.max": limit(10 << 20)}, 8 << 20},
		"v2 above":       {fstest.MapFS{"proc/self/cgroup": text("0::/a/b\n"), "sys/fs/cgroup/a/memory.max": limit(200 << 20), "sys/fs/cgroup/a/b/memory.max": text("max")}, 100 << 20},
		"v2 path unseen": {fstest.MapFS{"proc/self/cgroup": text("0::/docker/0123\n"), "sys/fs/cgroup/memory.max": limit(100 << 20)}, 50 << 20},
		"v1": {fstest.MapFS{"proc/self/cgroup": text("5:cpu,memory:/docker/1\n1:name=systemd:/\n"),
			"sys/fs/cgroup/memory/memory.limit_in_bytes": limit(64 << 20)}, 32 << 20},
		"v1 unlimited": {fstest.MapFS{"proc/self/cgroup": text("5:memory:/\n"),
			"sys/fs/cgroup/memory/memory.limit_in_bytes": limit(9223372036854771712)}, 256 << 20},
		"no proc": {fstest.MapFS{"sys/fs/cgroup/memory.max": limit(90 << 20)}, 45 << 20},
		"garbage": {fstest.MapFS{"proc/self/cgroup": text("hello\n::\n0::relative\n"), "sys/fs/cgroup/memory.max": text("many")}, 256 << 20},
	} {
		if got := defaultMemory(c.root); got != c.want {
			t.Errorf("%s: got %d MiB, want %d MiB", name, got>>20, c.want>>20)
		}
	}
	got, err := load(Serve, append(completeArgs, "--memory=1GiB"), completeEnv,
		fstest.MapFS{"sys/fs/cgroup/memory.max": limit(100 << 20)})
	if err != nil || got.Memory != 1<<30 {
		t.Errorf("--memory=1GiB with a lower limit: %v, %v", got, err)
	}
}
