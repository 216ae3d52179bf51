package config

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestHelp(t *testing.T) {
	for _, command := range []string{Serve, Demo, Check} {
		for _, columns := range []int{80, 100} {
			help := Help(command, columns)
			for line := range strings.Lines(help) {
				if line = strings.TrimSuffix(line, "\n"); utf8.RuneCountInString(line) > columns || strings.TrimRight(line, " ") != line {
					t.Errorf("%s, %d columns: %d in %q", command, columns, utf8.RuneCountInString(line), line)
				}
			}
			for _, o := range options {
				if got := strings.Contains(help, "  "+o.usage()) && strings.Contains(help, o.env()); got != o.isIn(command) {
					t.Errorf("%s: %s is shown: %v", command, o.name, got)
				}
				if o.isIn(command) && !strings.Contains(strings.Join(strings.Fields(help), " "), o.defaultTextIn(command)) {
					t.Errorf("%s: no default of %s", command, o.name)
				}
			}
		}
	}
}

// Every row of the table is complete, and its defaults are valid.
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, o := range options {
		if seen[o.name] {
			t.Errorf("%s is in the table twice", o.name)
		}
		seen[o.name] = true
		if o.def == "" && o.defaultText == "" || o.help == "" || o.group == "" || !strings.HasSuffix(o.help, ".") {
			t.Errorf("%s: incomplete row: %+v", o.name, *o)
		}
		for _, text := range []string{o.def, o.demo} {
			if err := o.set(new(Config), text); text != "" && err != nil {
				t.Errorf("%s: invalid default %q: %v", o.name, text, err)
			}
		}
	}
}

func TestMarkdown(t *testing.T) {
	rows := 0
	for line := range strings.Lines(Markdown()) {
		if !strings.HasPrefix(line, "|") {
			continue
		}
		if strings.Count(line, "|")-strings.Count(line, `\|`) != 5 {
			t.Errorf("not four columns: %s", line)
		}
		if strings.Contains(line, "`S3FTPD_") {
			rows++
		}
	}
	if rows != len(options) {
		t.Errorf("%d rows, want %d", rows, len(options))
	}
}

func FuzzConfig(f *testing.F) {
	for _, text := range []string{
		"", "# nothing\n", "bucket: x\n", "ftp: :21\nregion: [a, b]\n", "a: &x {b: *x}\n", "<<: {ftp: x}\n", "? a\n: b\n", "- a\n",
		"ftp: !!str 21\n", "---\n...\n---\n", "\"ftp\": |\n  :21\n", "memory: 0x10\n", "ftp: {\n", "*x: y\n", "password: hush\n", "a: b: c\n", "\"a\\nb\": c\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		l := &loader{command: Serve, values: map[string]value{}, invalid: map[string]bool{}}
		values := l.yaml("file.yaml", text)
		l.apply(values)
		for _, v := range values {
			if v.option.secret || !v.option.isIn(Serve) || v.option.name == "config" {
				t.Errorf("%s was read from a file", v.option.name)
			}
		}
		for _, m := range l.mistakes {
			if strings.Contains(m, "\n") {
				t.Errorf("a mistake of more than one line: %q", m)
			}
		}
	})
}
