package config

import (
	"errors"
	"io/fs"
	"os"
	"slices"
)

// ErrHelp means that the command line contains --help.
var ErrHelp = errors.New("help requested")

// A value is the text of an option in one source.
type value struct {
	option *option
	source string // as the user wrote it: --ftp, S3FTPD_FTP or file.yaml:3: ftp
	text   string
}

// A loader collects values and mistakes while a Config is built.
type loader struct {
	command    string
	config     Config
	values     map[string]value // the effective value, by option
	invalid    map[string]bool  // options with at least one invalid value
	incomplete bool             // the configuration file could not be read, or only in part
	mistakes   Mistakes
}

// Load reads the configuration of a command from its arguments, from the environment (in the form of os.Environ) and from
// the file that --config names. The error is ErrHelp or of type Mistakes. With Mistakes, the Config has the valid values, so
// that a command can report them as it is configured to.
func Load(command string, args, environ []string) (*Config, error) {
	return load(command, args, environ, os.DirFS("/"))
}

// load is Load with the file system that has the kernel's memory limits in /proc and /sys.
func load(command string, args, environ []string, root fs.FS) (*Config, error) {
	l := &loader{command: command, values: map[string]value{}, invalid: map[string]bool{}}
	flags, err := l.flags(args)
	if err != nil {
		return nil, err
	}
	env := l.environment(environ)
	l.apply(l.defaults())
	l.apply(l.file(append(env, flags...)))
	l.apply(env)
	l.apply(flags)
	if l.config.Memory == 0 {
		l.config.Memory = defaultMemory(root)
	}
	if !l.incomplete { // otherwise a missing option may be in the file
		l.setDefaults()
		l.checkCombinations()
	}
	if len(l.mistakes) > 0 {
		return &l.config, l.mistakes
	}
	return &l.config, nil
}

// defaults returns the default values, which all other sources override.
func (l *loader) defaults() (values []value) {
	for _, o := range options {
		if text := o.defaultIn(l.command); text != "" && o.isIn(l.command) {
			values = append(values, value{o, defaultSource(o.name), text})
		}
	}
	return values
}

// apply parses the values of a source, which override those applied before. Overridden values are checked as well.
func (l *loader) apply(values []value) {
	for _, v := range values {
		l.values[v.option.name] = v
		if o := v.option; o.envOnly != nil && o.envOnly(v.text) && v.source != o.env() {
			l.invalid[o.name] = true
			l.mistakes.add(v.source, "must be a file here: a key itself must be in the environment, in %s", o.env())
			continue
		}
		if err := v.option.set(&l.config, v.text); err != nil {
			l.invalid[v.option.name] = true
			l.mistakes.addValue(v, err)
		}
	}
}

// file returns the values of the configuration file, if the last --config of values names one.
func (l *loader) file(values []value) []value {
	for _, v := range slices.Backward(values) {
		if v.option.name == "config" {
			return l.read(v)
		}
	}
	return nil
}
