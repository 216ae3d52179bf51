package auth

import (
	"strings"
	"testing"
)

// cryptReference are the passwords and hashes of the specification.
var cryptReference = []struct{ password, hash string }{
	{"Hello world!", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"},
	{"Hello world!", "$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA"},
	{"This is just a test", "$5$rounds=5000$toolongsaltstrin$Un/5jzAHMgOGZ5.mWJpuVolil07guHPvOW8mGRcvxa5"},
	{"a very much longer text to encrypt.  This one even stretches over morethan one line.",
		"$5$rounds=1400$anotherlongsalts$Rx.j8H.h8HjEDGomFU8bDkXm3XIUnzyxf12oP84Bnq1"},
	{"we have a short salt string but not a short password", "$5$rounds=77777$short$JiO1O3ZpDAxGJeaDIuqCoEFysAe1mZNJRs3pw0KQRd/"},
	{"a short string", "$5$rounds=123456$asaltof16chars..$gP3VQ/6X7UUEW3HkBn2w1/Ptq2jxPyzV/cZKmF/wJvD"},
	{"the minimum number is still observed", "$5$rounds=1000$roundstoolow$yfvwcWrQ8l/K0DAWyuPMDNHpIVlTQebY9l/gL972bIC"},

	{"Hello world!", "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"},
	{"Hello world!", "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v."},
	{"This is just a test",
		"$6$rounds=5000$toolongsaltstrin$lQ8jolhgVRVhY4b5pZKaysCLi0QBxGoNeKQzQ3glMhwllF7oGDZxUhx1yxdYcz/e1JSbq3y6JMxxl8audkUEm0"},
	{"a very much longer text to encrypt.  This one even stretches over morethan one line.",
		"$6$rounds=1400$anotherlongsalts$POfYwTEok97VWcjxIiSOjiykti.o/pQs.wPvMxQ6Fm7I6IoYN3CmLs66x9t0oSwbtEW7o7UmJEiDwGqd8p4ur1"},
	{"we have a short salt string but not a short password",
		"$6$rounds=77777$short$WuQyW2YR.hBNpjjRhpYD/ifIw05xdfeEyQoMxIXbkvr0gge1a1x3yRULJ5CCaUeOxFmtlcGZelFl5CxtgfiAc0"},
	{"a short string",
		"$6$rounds=123456$asaltof16chars..$BtCwjqMJGx5hrJhZywWvt0RLE8uZ4oPwcelCjmw2kSYu.Ec6ycULevoBK25fs2xXgMNrCzIMVcgEJAstJeonj1"},
	{"the minimum number is still observed",
		"$6$rounds=1000$roundstoolow$kUMsbe306n21p9R.FRkW3IGn.S9NPN0x50YhH1xhLsPuWGsUSklZt58jaTfF4ZEQpyUNGc0dqbpBYYBaHHrsX."},
}

func TestCryptReference(t *testing.T) {
	for _, c := range cryptReference {
		s, err := parse(c.hash)
		if err != nil {
			t.Errorf("%s: %v", c.hash, err)
			continue
		}
		if !s.matches(c.password) {
			t.Errorf("%s does not match %q", c.hash, c.password)
		}
		if s.matches(c.password + "x") {
			t.Errorf("%s matches another password", c.hash)
		}
	}
}

// Passwords as long as a digest and one byte longer, a salt of one byte and none. The hashes are by OpenSSL and libxcrypt.
func TestCryptBorders(t *testing.T) {
	for _, c := range []struct{ password, hash string }{
		{strings.Repeat("x", 32), "$5$somesalt$nmRA24KIZ/sJIbN9FmLN5khBgloWZJfQQMTRH8VkEx7"},
		{strings.Repeat("x", 33), "$5$somesalt$1U9krZ59GssMJlX7aD.6G/7VhdGGvkIzfPWAVoqOO01"},
		{"password", "$5$s$PSEyOUK2.61cifBEF9dRKkFNBHSjVRV95vwjY2WRTZ2"},
		{strings.Repeat("x", 64), "$6$somesalt$G2F0aw9IGRMKv4QcWmQ0uAGWnNbf7AzqBLKCBBQu1op7wHSBRcM7bTUc84cJBG95C5BDIa5bVjJOwxhDuBCJ90"},
		{strings.Repeat("x", 65), "$6$somesalt$wzxmBijm75ue/5hxSHgm15cQE0ncU1iHr3eFBjcCkOAX9Pir4MSgscjqpH5zKWYSJqB5abEd.IXaPLpIDiivI/"},
		{"password", "$6$s$uS8ebqSHbt1SxeJHmjJJ8XiNODU1MHXmq8vuR.PTjWjqzI2O0O5Fqib4lhr5K8OJ/hMYgFNUo1BLK3I7X/8yn/"},
		{"x", "$5$$0Uor7kq6CTPY0DtjOiw.I2DuJSUfiZxCqkrafMVjNc8"},
		{"x", "$6$$KvRrc0bxRLyTUhO8OJOmRczh7oCol5BACiR8rmdfVzvuGgm8JmLDumsL/ah.jFtT.DswxoP9Nv3ByfU4j5hm/0"},
	} {
		s, err := parse(c.hash)
		if err != nil || !s.matches(c.password) || s.matches(c.password+"x") {
			t.Errorf("%s: %v", c.hash, err)
		}
	}
	s := cryptSecret{long: true, rounds: minCryptRounds, salt: "salt"}
	fits := strings.Repeat("x", maxCryptPassword)
	s.sum = s.hash(fits)
	if !s.matches(fits) || s.matches(fits+"x") {
		t.Errorf("a password of %d bytes is wrong, or a longer one is cut", maxCryptPassword)
	}
}

func TestInvalidCryptHashes(t *testing.T) {
	sum := strings.Repeat("a", 43)
	for _, text := range []string{
		"$5$", "$5$salt", "$5$salt$", "$5$salt$" + sum[1:], "$5$salt$" + sum + "a", "$5$salt$" + sum[1:] + "-", "$6$salt$" + sum, "$5$salt$" + sum + "$x",
		"$5$saltstringsaltstr$" + sum, "$5$sa\nlt$" + sum, "$5$rounds=$salt$" + sum, "$5$rounds=x$salt$" + sum, "$5$rounds=05000$salt$" + sum,
		"$5$rounds=+5000$salt$" + sum, "$5$rounds=999$salt$" + sum, "$5$rounds=1000000$salt$" + sum, "$5$rounds=99999999999999999999$salt$" + sum,
		"$5$rounds=5000$" + sum, "$5$rounds=5000",
	} {
		if err := Validate(text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
	for _, text := range []string{"$5$rounds=999999$salt$" + sum, "$5$$" + sum, "$6$saltstringsaltst$" + sum + sum} {
		if err := Validate(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}
