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

// Choices holds the values of an option that depends on the user and on the client's network.
type Choices[T any] struct {
	Users    map[string]T
	Networks map[netip.Prefix]T
	Others   T // for all other clients
}

// For returns the value for a user ("" before the login) and a client address: that of the user, else that of the smallest
// network that contains the address.
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

// add sets the value for a network or a user. A key with a slash or a colon, or of digits and dots alone, is a network.
func (c *Choices[T]) add(key string, v T) error {
	if c.Users == nil {
		c.Users, c.Networks = map[string]T{}, map[netip.Prefix]T{}
	}
	if strings.ContainsAny(key, "/:") || strings.Contains(key, ".") && strings.Trim(key, ".0123456789") == "" {
		network, err := parseNetwork(key)
		if err != nil {
			return err
		}
		return addUnique(c.Networks, network, v, "network")
	}
	user, err := parseUser(key)
	if err != nil {
		return err
	}
	return addUnique(c.Users, user, v, "user")
}

func addUnique[K comparable, T any](m map[K]T, key K, v T, kind string) error {
	if _, exists := m[key]; exists {
		return fmt.Errorf("must name the %s %v only once", kind, key)
	}
	m[key] = v
	return nil
}

var (
	parseNames = byClient("latin1", "utf-8", "latin1", "shift-jis", "gbk")
	parseAllo  = byClient("hint", "auto", "binding", "hint")
)

// byClient returns a parser for WORD, or NETWORK=WORD,USER=WORD,...,WORD. The last word is for all other clients; without it
// they get words[0]. The example is one of the words.
func byClient(example string, words ...string) func(text string) (Choices[string], error) {
	parse := oneOf(words...)
	return func(text string) (Choices[string], error) {
		c, hasDefault := Choices[string]{Others: words[0]}, false
		for item := range strings.SplitSeq(text, ",") {
			item = strings.TrimSpace(item)
			at := strings.LastIndexByte(item, '=') // a user name may contain one
			word, err := parse(item[at+1:])
			switch {
			case err != nil:
				return c, fmt.Errorf("%w, optionally by network or user, e.g. 10.0.0.0/8=%[2]s or scanner=%[2]s", err, example)
			case hasDefault:
				return c, errors.New("must have one value for all other clients, at the end")
			case at < 0:
				c.Others, hasDefault = word, true
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

// parseBoolChoices reads a boolean, or a list of the networks and users for which the option is on.
func parseBoolChoices(text string) (Choices[bool], error) {
	if on, err := parseBool(text); err == nil {
		return Choices[bool]{Others: on}, nil
	}
	var c Choices[bool]
	for item := range strings.SplitSeq(text, ",") {
		item = strings.TrimSpace(item)
		if _, err := parseBool(item); err == nil || item == "" || strings.Contains(item, "=") {
			return c, errors.New("must be true, false or a list of networks and users, e.g. 10.0.0.0/8,scanner")
		}
		if err := c.add(item, true); err != nil {
			return c, err
		}
	}
	return c, nil
}

// checkUserRefs reports options that name an unknown user.
func (l *loader) checkUserRefs() {
	c := &l.config
	if !l.valid("user", "users", "auth") || c.User == "" || len(c.Auth) > 0 || c.Users != "" {
		return
	}
	for _, o := range []struct {
		name  string
		users iter.Seq[string]
	}{{"names", maps.Keys(c.Names.Users)}, {"backslash", maps.Keys(c.Backslash.Users)}, {"lenient-dirs", maps.Keys(c.LenientDirs.Users)},
		{"allo", maps.Keys(c.Allo.Users)}} {
		for _, user := range slices.Sorted(o.users) {
			if user != c.User && l.valid(o.name) {
				l.mistakes.add(l.source(o.name)+" "+quoted(l.values[o.name].text), "names the unknown user %s: must be %s, as in --user", quoted(user), quoted(c.User))
			}
		}
	}
}
