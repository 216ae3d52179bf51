package config

import (
	"slices"
	"strings"
)

// An option is a row of the table. Flags, help, documentation and shell completion are generated from it.
type option struct {
	name        string
	group       string                      // heading in the help
	value       string                      // placeholder of the value in the help; empty = a boolean flag
	optional    bool                        // the value may be omitted, which means true
	def         string                      // default as a user would write it; empty = the zero value
	demo        string                      // default of the demo if different
	defaultText string                      // describes the default if def is empty
	help        string                      // one line of plain text
	set         func(*Config, string) error // parses a value into its field of the Config
	command     string                      // the only command with this option, Serve = Check too; empty = all
	secret      bool                        // can be set only in the environment
	envOnly     func(text string) bool      // reports a value that is a secret, and can be set only in the environment; nil = none is
}

// field returns the set function of an option from a pointer to its field and a parser.
func field[T any](of func(*Config) *T, parse func(string) (T, error)) func(*Config, string) error {
	return func(c *Config, text string) (err error) {
		*of(c), err = parseOr(*of(c), text, parse)
		return err
	}
}

// parseOr returns the parsed text, or old and the error.
func parseOr[T any](old T, text string, parse func(string) (T, error)) (T, error) {
	v, err := parse(text)
	if err != nil {
		return old, err
	}
	return v, nil
}

// env returns the environment variable of an option.
func (o *option) env() string {
	return prefix + strings.ToUpper(strings.ReplaceAll(o.name, "-", "_"))
}

// isBool reports whether the flag needs no value; --NAME=VALUE is allowed.
func (o *option) isBool() bool { return o.value == "" }

// isIn reports whether a command has the option. Check has those of Serve too.
func (o *option) isIn(command string) bool {
	return o.command == "" || o.command == command || o.command == Serve && command == Check
}

// defaultIn returns the default in a command.
func (o *option) defaultIn(command string) string {
	if command == Demo && o.demo != "" {
		return o.demo
	}
	return o.def
}

// optionNamed returns the option with that name, or nil.
func optionNamed(name string) *option {
	i := slices.IndexFunc(options, func(o *option) bool { return o.name == name })
	if i < 0 {
		return nil
	}
	return options[i]
}
