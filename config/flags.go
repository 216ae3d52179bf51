package config

import (
	"errors"
	"strings"

	"github.com/spf13/pflag"
)

// flags reads the command line. It goes on behind a mistake, so as to find the next one.
func (l *loading) flags(args []string) ([]value, error) {
	var strange []string // names that are no option's
	args = l.dashes(args)
	for {
		c := &commandLine{FlagSet: pflag.NewFlagSet(l.command, pflag.ContinueOnError), loading: l}
		c.Usage = func() {}
		c.define(strange)
		err := c.Parse(args)
		if name, ok := noSuchFlag(err); ok {
			strange = append(strange, name)
			continue
		}
		if errors.Is(err, pflag.ErrHelp) {
			return nil, ErrHelp
		}
		c.report(err, strange)
		return c.values, nil
	}
}

// A commandLine is one attempt at reading the arguments; what it finds wrong counts once it is the last.
type commandLine struct {
	*pflag.FlagSet
	*loading
	values []value
}

// define makes a flag of every option, of those too that may not be used, and of the names given.
func (c *commandLine) define(strange []string) {
	for _, o := range options {
		c.flag(o.name, o, func(text string) { c.values = append(c.values, value{o, "--" + o.name, text}) })
	}
	for _, name := range strange {
		c.flag(name, c.like(name), func(string) {})
	}
}

// flag defines one that takes a value if the option like takes one.
func (c *commandLine) flag(name string, like *option, set func(string)) {
	c.Var(setter(set), name, "")
	if like == nil || like.isBool() || like.alone {
		c.Lookup(name).NoOptDefVal = "true"
	}
}

// report notes what was wrong with the command line as a whole, and drops values of options that are no flags.
func (c *commandLine) report(err error, strange []string) {
	if e := (*pflag.ValueRequiredError)(nil); errors.As(err, &e) {
		c.bad[e.GetSpecifiedName()] = true
		c.mistakes.add("--"+e.GetSpecifiedName(), "a value is missing")
	} else if err != nil {
		c.mistakes.add("command line", "%v", err)
	}
	for _, name := range strange {
		c.unknown("--"+name, name, flagName)
	}
	if len(strange) == 0 { // else an argument may be the value of a name that was misspelt
		for _, arg := range c.Args() {
			c.mistakes.add(quoted(arg), "%s", c.unexpected(arg))
		}
	}
	allowed, count := c.values[:0], map[*option]int{}
	for _, v := range c.values {
		why := c.refused(v.option)
		if count[v.option]++; why == "" && count[v.option] == 2 {
			why = v.option.twice()
		}
		if why != "" {
			c.bad[v.option.name], c.unread = true, c.unread || v.option.name == "config"
			c.mistakes.add(v.where, "%s", why)
			continue
		}
		allowed = append(allowed, v)
	}
	c.values = allowed
}

// twice says why an option cannot be given twice: it is not plain which one would count.
func (o *option) twice() string {
	if strings.HasSuffix(o.value, ",...") {
		return "is there twice; a list is one value, with commas: --" + o.name + " " + o.value
	}
	return "is there twice; it takes one value"
}

// unexpected says what is to be said of an argument that is no flag's.
func (c *commandLine) unexpected(arg string) string {
	if arg == Serve || arg == Demo || arg == Check {
		return "the command stands before its options: s3ftpd " + arg + " ..."
	}
	if _, err := parseBool(arg); err == nil {
		return "a switch takes its value behind an equals sign: --active=" + arg
	}
	return "options begin with two dashes, and take one value each"
}

// refused says why an option cannot be a flag or a key of this command; empty = it can.
func (l *loading) refused(o *option) string {
	switch {
	case o.secret:
		return "secrets are never flags, nor keys of a file: set " + o.env() + " in the environment, or use --" + o.name + "-file"
	case !o.in(l.command):
		return "an option of `s3ftpd " + o.only + "` alone"
	}
	return ""
}

// dashes gives every option two dashes, and notes where they were not: pflag reads -ftp letter by letter.
func (l *loading) dashes(args []string) (out []string) {
	for len(args) > 0 && args[0] != "--" {
		arg := args[0]
		args = args[1:]
		if !strings.HasPrefix(arg, "-") || arg == "-" || arg == "-h" {
			out = append(out, arg)
			continue
		}
		rest := strings.TrimLeft(arg, "-")
		name, _, hasValue := strings.Cut(rest, "=")
		out = append(out, l.twoDashes(strings.TrimSuffix(arg, rest), name, rest))
		if o := l.like(name); o != nil && !hasValue {
			out, args = o.take(out, args)
		}
	}
	return append(out, args...)
}

// take adds to a command line, which ends with the option, the value that is the next argument, if it takes one. Such a value
// may begin with anything, unless the option can stand alone; then pflag looks for it behind an equals sign only.
func (o *option) take(out, args []string) (taken, rest []string) {
	switch {
	case len(args) == 0 || o.isBool() || o.alone && strings.HasPrefix(args[0], "-"):
		return out, args
	case o.alone:
		out[len(out)-1] += "=" + args[0]
	default:
		out = append(out, args[0])
	}
	return out, args[1:]
}

// twoDashes returns an option as pflag takes it.
func (l *loading) twoDashes(dashes, name, rest string) string {
	if name == "" {
		l.mistakes.add(dashes, "the name of an option is missing")
		return "--active" // something harmless in its place
	}
	if dashes != "--" && named(name) != nil {
		l.mistakes.add(dashes+name, "options begin with two dashes: --%s", name)
	}
	return "--" + rest
}

// like returns the option whose way with values a name, perhaps misspelt, is taken to share, or nil.
func (l *loading) like(name string) *option {
	if o := named(name); o != nil {
		return o
	}
	return nearest(l.command, name)
}

// noSuchFlag tells whether pflag met a name that it does not know, and which.
func noSuchFlag(err error) (string, bool) {
	e := (*pflag.NotExistError)(nil)
	if !errors.As(err, &e) {
		return "", false
	}
	return e.GetSpecifiedName(), true
}

func flagName(o *option) string {
	if o.secret {
		return o.env()
	}
	return "--" + o.name
}

// A setter is a pflag.Value that hands on each text it is set to.
type setter func(string)

func (s setter) Set(text string) error { s(text); return nil }
func (s setter) String() string        { return "" }
func (s setter) Type() string          { return "" }
