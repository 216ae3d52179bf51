package config

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// Choices are the values of an option that depends on who the client is.
type Choices[T any] struct {
	Users    map[string]T
	Networks map[netip.Prefix]T
	Others   T // of all other clients
}

// For returns the value for a user, "" before the login, at an address: the user's own or, where there is none, that of the
// smallest network that the address is in.
func (c Choices[T]) For(user string, client netip.Addr) T {
	if v, ok := c.Users[user]; ok {
		return v
	}
	v, bits, client := c.Others, -1, client.Unmap().WithZone("")
	for network, value := range c.Networks {
		if network.Contains(client) && network.Bits() > bits {
			v, bits = value, network.Bits()
		}
	}
	return v
}

// add notes the value for a network or a user. What has a slash or a colon, or is all digits and dots, is taken for a network.
func (c *Choices[T]) add(key string, v T) error {
	if c.Users == nil {
		c.Users, c.Networks = map[string]T{}, map[netip.Prefix]T{}
	}
	if strings.ContainsAny(key, "/:") || strings.Contains(key, ".") && strings.Trim(key, ".0123456789") == "" {
		network, err := parseNetwork(key)
		if err != nil {
			return err
		}
		return once(c.Networks, network, v, "network")
	}
	user, err := parseUser(key)
	if err != nil {
		return err
	}
	return once(c.Users, user, v, "user")
}

func once[K comparable, T any](m map[K]T, key K, v T, what string) error {
	if _, twice := m[key]; twice {
		return fmt.Errorf("the %s %v is there twice", what, key)
	}
	m[key] = v
	return nil
}

var (
	parseNames = byClient("latin1", "utf-8", "latin1", "shift-jis", "gbk")
	parseAllo  = byClient("hint", "auto", "binding", "hint")
)

// byClient reads an option whose value is one word for everybody, or NETWORK=WORD and USER=WORD,... with, at the end, a word for
// all other clients. Without that last one they get the first of the words. The example is one of the words.
func byClient(example string, words ...string) func(text string) (Choices[string], error) {
	parse := oneOf(words...)
	return func(text string) (Choices[string], error) {
		c, closed := Choices[string]{Others: words[0]}, false
		for item := range strings.SplitSeq(text, ",") {
			item = strings.TrimSpace(item)
			at := strings.LastIndexByte(item, '=') // a user's name may have one too
			word, err := parse(item[at+1:])
			switch {
			case err != nil:
				return c, fmt.Errorf("%w, and for some clients 10.0.0.0/8=%s or a user's name instead of the network", err, example)
			case closed:
				return c, errors.New("the value for all other clients stands last, and there is one")
			case at < 0:
				c.Others, closed = word, true
			default:
				err = c.add(item[:at], word)
			}
			if err != nil {
				return c, err
			}
		}
		return c, nil
	}
}

// parseWho reads a switch, or the networks and users for which it is on.
func parseWho(text string) (Choices[bool], error) {
	if on, err := parseBool(text); err == nil {
		return Choices[bool]{Others: on}, nil
	}
	var c Choices[bool]
	for item := range strings.SplitSeq(text, ",") {
		item = strings.TrimSpace(item)
		if _, err := parseBool(item); err == nil || item == "" || strings.Contains(item, "=") {
			return c, errors.New("true, false or a list of networks and users is wanted, such as 10.0.0.0/8,scanner")
		}
		if err := c.add(item, true); err != nil {
			return c, err
		}
	}
	return c, nil
}

// usersAreThere holds options that name users against who may log in.
func (l *loading) usersAreThere() {
	c := &l.config
	if !l.sound("user") || c.User == "" {
		return
	}
	for _, o := range []struct {
		name  string
		users iter.Seq[string]
	}{{"names", maps.Keys(c.Names.Users)}, {"backslash", maps.Keys(c.Backslash.Users)}, {"lenient-dirs", maps.Keys(c.LenientDirs.Users)},
		{"allo", maps.Keys(c.Allo.Users)}} {
		for _, user := range slices.Sorted(o.users) {
			if user != c.User && l.sound(o.name) {
				l.mistakes.add(l.where(o.name)+" "+quoted(l.given[o.name].text), "there is no user %s; --user is %s", quoted(user), quoted(c.User))
			}
		}
	}
}
