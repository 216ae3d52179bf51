package config

import (
	"errors"
	"io/fs"
	"os"
	"slices"
)

// ErrHelp is what Load returns where the command line asks for help.
var ErrHelp = errors.New("help is wanted")

// A value is what one source says of one option.
type value struct {
	option *option
	where  string // as the user wrote it: --ftp, S3FTPD_FTP or file.yaml:3: ftp
	text   string
}

// loading is a configuration on its way.
type loading struct {
	command  string
	config   Config
	given    map[string]value // the value that counts, by option
	bad      map[string]bool  // options of which at least one value was refused
	unread   bool             // there is a file of which not all could be read
	mistakes Mistakes
}

// Load reads the configuration of a command from its arguments, from the environment (as os.Environ returns
// it) and from the file that one of them names. The error is ErrHelp or of type Mistakes.
func Load(command string, args, environ []string) (*Config, error) {
	return load(command, args, environ, os.DirFS("/"))
}

// load is Load with the file system in which the kernel tells its memory limits.
func load(command string, args, environ []string, root fs.FS) (*Config, error) {
	l := &loading{command: command, given: map[string]value{}, bad: map[string]bool{}}
	flags, err := l.flags(args)
	if err != nil {
		return nil, err
	}
	env := l.environment(environ)
	l.take(l.defaults())
	l.take(l.file(append(env, flags...)))
	l.take(env)
	l.take(flags)
	if l.config.Memory == 0 {
		l.config.Memory = defaultMemory(root)
	}
	if !l.unread { // else an option that seems to be missing may be in the file
		l.settle()
		l.contradictions()
	}
	if len(l.mistakes) > 0 {
		return nil, l.mistakes
	}
	return &l.config, nil
}

// defaults is the source that every other beats.
func (l *loading) defaults() (values []value) {
	for _, o := range options {
		if text := o.defaultIn(l.command); text != "" && o.in(l.command) {
			values = append(values, value{o, byDefault(o.name), text})
		}
	}
	return values
}

// take lets a source's values beat those taken before. All are looked at, those that another beats too.
func (l *loading) take(values []value) {
	for _, v := range values {
		l.given[v.option.name] = v
		if err := v.option.set(&l.config, v.text); err != nil {
			l.bad[v.option.name] = true
			l.mistakes.bad(v, err)
		}
	}
}

// file returns what the configuration file says, if the last of values about it names one.
func (l *loading) file(values []value) []value {
	for _, v := range slices.Backward(values) {
		if v.option.name == "config" {
			return l.read(v)
		}
	}
	return nil
}
