package config

import (
	"errors"
	"strings"

	"github.com/spf13/pflag"
)

// flags returns the values of the command line. It reports all mistakes, not only the first.
func (l *loader) flags(args []string) ([]value, error) {
	var unknown []string // names that are not options
	args = l.normalize(args)
	for {
		c := &commandLine{FlagSet: pflag.NewFlagSet(l.command, pflag.ContinueOnError), loader: l}
		c.Usage = func() {}
		c.define(unknown)
		err := c.Parse(args)
		if name, ok := unknownFlag(err); ok {
			unknown = append(unknown, name)
			continue
		}
		if errors.Is(err, pflag.ErrHelp) {
			return nil, ErrHelp
		}
		c.report(err, unknown)
		return c.values, nil
	}
}

// A commandLine parses the arguments once. flags repeats this with each unknown flag defined, to find further mistakes.
type commandLine struct {
	*pflag.FlagSet
	*loader
	values []value
}

// define defines flags for all options, including those of other commands, and for unknown names.
func (c *commandLine) define(unknown []string) {
	for _, o := range options {
		c.flag(o.name, o, func(text string) { c.values = append(c.values, value{o, "--" + o.name, text}) })
	}
	for _, name := range unknown {
		c.flag(name, c.similar(name), func(string) {})
	}
}

// flag defines a flag. It takes a value if the option like does.
func (c *commandLine) flag(name string, like *option, set func(string)) {
	c.Var(setter(set), name, "")
	if like == nil || like.isBool() || like.optional {
		c.Lookup(name).NoOptDefVal = "true"
	}
}

// report reports the mistakes of the command line, and removes values of options that are not allowed there.
func (c *commandLine) report(err error, unknown []string) {
	if e := (*pflag.ValueRequiredError)(nil); errors.As(err, &e) {
		c.invalid[e.GetSpecifiedName()] = true
		c.mistakes.add("--"+e.GetSpecifiedName(), "must have a value")
	} else if err != nil {
		c.mistakes.add("command line", "%v", err)
	}
	for _, name := range unknown {
		c.unknown("--"+name, name, flagName)
	}
	if len(unknown) == 0 { // otherwise an argument may be the value of a misspelled option
		for _, arg := range c.Args() {
			c.mistakes.add(quoted(arg), "%s", c.unexpected(arg))
		}
	}
	allowed, count := c.values[:0], map[*option]int{}
	for _, v := range c.values {
		why := c.notAllowed(v.option)
		if count[v.option]++; why == "" && count[v.option] == 2 {
			why = v.option.duplicateText()
		}
		if why != "" {
			c.invalid[v.option.name], c.incomplete = true, c.incomplete || v.option.name == "config"
			c.mistakes.add(v.source, "%s", why)
			continue
		}
		allowed = append(allowed, v)
	}
	c.values = allowed
}

// duplicateText returns the message for an option that is set twice on the command line.
func (o *option) duplicateText() string {
	if strings.HasSuffix(o.value, ",...") {
		return "must be set only once, with commas between the items: --" + o.name + " " + o.value
	}
	return "must be set only once"
}

// unexpected returns the message for an argument that is not a flag's value.
func (c *commandLine) unexpected(arg string) string {
	if arg == Serve || arg == Demo || arg == Check {
		return "the command must come before its options: s3ftpd " + arg + " ..."
	}
	if _, err := parseBool(arg); err == nil {
		return "the value of a boolean option must follow an equals sign: --active=" + arg
	}
	return "unexpected argument: options must begin with two dashes and have one value"
}

// notAllowed returns why an option cannot be a flag or a key in the file of this command, or "".
func (l *loader) notAllowed(o *option) string {
	switch {
	case o.secret:
		return "must not be on the command line or in a configuration file: set " + o.env() + " in the environment, or --" + o.name + "-file"
	case !o.isIn(l.command):
		return "must be used with `s3ftpd " + o.command + "` only"
	}
	return ""
}

// normalize gives every option two dashes, because pflag reads -ftp as the flags -f, -t and -p, and reports single dashes.
func (l *loader) normalize(args []string) (out []string) {
	for len(args) > 0 && args[0] != "--" {
		arg := args[0]
		args = args[1:]
		if !strings.HasPrefix(arg, "-") || arg == "-" || arg == "-h" {
			out = append(out, arg)
			continue
		}
		rest := strings.TrimLeft(arg, "-")
		name, _, hasValue := strings.Cut(rest, "=")
		out = append(out, l.withTwoDashes(strings.TrimSuffix(arg, rest), name, rest))
		if o := l.similar(name); o != nil && !hasValue {
			out, args = o.appendValue(out, args)
		}
	}
	return append(out, args...)
}

// appendValue appends the next argument to out as the value of the option, if it takes one. For an option with an optional
// value, pflag requires an equals sign; there the value must not begin with a dash.
func (o *option) appendValue(out, args []string) (newOut, rest []string) {
	switch {
	case len(args) == 0 || o.isBool() || o.optional && strings.HasPrefix(args[0], "-"):
		return out, args
	case o.optional:
		out[len(out)-1] += "=" + args[0]
	default:
		out = append(out, args[0])
	}
	return out, args[1:]
}

// withTwoDashes returns an argument with two dashes.
func (l *loader) withTwoDashes(dashes, name, rest string) string {
	if name == "" {
		l.mistakes.add(dashes, "must be followed by the name of an option")
		return "--active" // a placeholder without effect
	}
	if dashes != "--" && optionNamed(name) != nil {
		l.mistakes.add(dashes+name, "must begin with two dashes: --%s", name)
	}
	return "--" + rest
}

// similar returns the option with this name, or else the nearest one, or nil. An unknown flag takes a value if it does.
func (l *loader) similar(name string) *option {
	if o := optionNamed(name); o != nil {
		return o
	}
	return nearest(l.command, name)
}

// unknownFlag returns the name of the flag if err is about an unknown one.
func unknownFlag(err error) (string, bool) {
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

// A setter is a pflag.Value that passes each value to the function.
type setter func(string)

func (s setter) Set(text string) error { s(text); return nil }
func (s setter) String() string        { return "" }
func (s setter) Type() string          { return "" }
