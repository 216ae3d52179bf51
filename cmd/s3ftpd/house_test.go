package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	root   = "../.."
	module = "github.com/s3ftpd/s3ftpd/"
)

// A room is a package of the repository.
type room struct {
	name, purpose string
	imports       []string // the rooms that it may import; tests may import any
}

// rooms are the packages of the repository. Imports have one direction: proxy does not depend on S3, s3fs does not depend on FTP,
// and neither depends on the configuration.
var rooms = []room{
	{"cmd/s3ftpd", "commands; makes the other parts from the configuration", []string{
		"config", "passive", "proxy", "proxy/auth", "proxy/auth/hook", "proxy/budget", "proxy/ftp", "proxy/grant", "proxy/observe", "proxy/sftp", "proxy/signed",
		"s3fs", "s3fs/s3demo", "s3fs/s3login",
	}},
	{"config", "flags, environment and files as plain values, validated", []string{"proxy/signed"}},
	{"passive", "FTP data connections: ports, who may connect, active ones, PROXY headers", []string{}},
	{"proxy", "what protocols share: `Store`, `Source`, `Entry`, `Account`, `Compat`, `Sessions`, `Observer`, hashes, names", []string{}},
	{"proxy/access", "the permissions that commands and requests need, for the documentation and tests", []string{"proxy"}},
	{"proxy/auth", "who may log in", []string{"proxy", "proxy/event"}},
	{"proxy/auth/hook", "logins that a program of the operator decides about, over HTTP", []string{"proxy", "proxy/signed"}},
	{"proxy/budget", "the memory of all transfers", []string{}},
	{"proxy/event", "what a protocol tells an `Observer` of, a struct for each kind", []string{"proxy"}},
	{"proxy/ftp", "the FTP protocol", []string{"passive", "proxy", "proxy/access", "proxy/event", "proxy/ftp/modez", "proxy/names", "proxy/stall"}},
	{"proxy/ftp/modez", "the zlib stream of MODE Z", []string{}},
	{"proxy/grant", "what an account may use, as stores over a `Store`: permissions, mounts, the list of buckets as the root", []string{"proxy"}},
	{"proxy/names", "charsets, patterns and paths", []string{"proxy"}},
	{"proxy/observe", "observers of events: the lines of the log, and events for a web hook", []string{"proxy", "proxy/event", "proxy/signed"}},
	{"proxy/sftp", "the SFTP protocol and SCP on SSH", []string{"passive", "proxy", "proxy/access", "proxy/budget", "proxy/event", "proxy/names", "proxy/sftp/packet", "proxy/sftp/reassembly", "proxy/sftp/scp", "proxy/stall"}},
	{"proxy/sftp/packet", "requests and replies of SFTP version 3 as bytes", []string{}},
	{"proxy/sftp/reassembly", "the WRITE requests of a handle, in order, as a `Source`", []string{"proxy"}},
	{"proxy/sftp/scp", "the command lines and messages of SCP", []string{}},
	{"proxy/signed", "requests to web hooks: signature, secret file, HTTP client", []string{}},
	{"proxy/stall", "writes that fail when no byte is accepted in time", []string{}},
	{"proxy/storetest", "the contract of a `Store`, as tests", []string{"proxy"}},
	{"s3fs", "a bucket as a `Store`", []string{"proxy", "proxy/budget", "s3fs/s3http"}},
	{"s3fs/s3demo", "the S3 service of `s3ftpd demo`, strict as AWS", []string{}},
	{"s3fs/s3http", "one HTTP exchange with S3: silence, `Expect`, liveness", []string{"proxy/stall"}},
	{"s3fs/s3login", "logins with S3 keys or MinIO's LDAP, which S3 verifies", []string{"proxy", "s3fs"}},
	{"test/ack", "seeded operations under faults, compared with what was acknowledged", []string{}},
	{"test/bench", "s3ftpd beside direct use of S3 and other FTP servers, in rounds, and the null S3 server", []string{}},
	{"test/e2e", "the index of the end-to-end tests", []string{}},
	{"test/e2e/harness", "what the end-to-end tests share: servers, buckets, clients, faults", []string{"test/faults", "test/real"}},
	{"test/e2e/scenario", "what clients of FTP and SFTP are asked to do, and the tables of the results", []string{"test/e2e/harness", "test/real"}},
	{"test/faults", "a TCP proxy that cuts, delays and stalls", []string{}},
	{"test/quirks", "an S3 service with the quirks of others", []string{"test/real"}},
	{"test/rclone", "rclone and its test suite, built from its module", []string{}},
	{"test/real", "real servers, each started for a test on a free port", []string{}},
}

// standardOnly are the rooms that import only the standard library, and other rooms of this list.
var standardOnly = []string{"proxy/budget", "proxy/ftp/modez", "proxy/sftp/packet", "proxy/sftp/scp", "proxy/signed", "proxy/stall", "s3fs/s3http"}

// guests maps third-party modules to the rooms that may import them.
var guests = map[string][]string{
	"github.com/aws/":             {"cmd/s3ftpd", "s3fs", "s3fs/s3demo", "test/e2e/harness", "test/e2e/scenario", "test/quirks", "test/real"},
	"github.com/spf13/pflag":      {"config"},
	"github.com/goccy/go-yaml":    {"config"},
	"github.com/lmittmann/tint":   {"cmd/s3ftpd"},
	"github.com/pires/":           {"passive"},
	"golang.org/x/crypto/argon2":  {"proxy/auth"},
	"golang.org/x/crypto/bcrypt":  {"proxy/auth"},
	"golang.org/x/crypto/ssh":     {"cmd/s3ftpd", "proxy/auth", "proxy/sftp", "test/e2e/harness"},
	"golang.org/x/text/":          {"proxy/names"},
	"github.com/stretchr/testify": {},
}

// sources calls visit with every Go file of the repository and its path below the root.
func sources(t *testing.T, visit func(name string, f *ast.File)) {
	t.Helper()
	sourcesIn(t, token.NewFileSet(), visit)
}

// sourcesIn is like sources, and records positions in fset.
func sourcesIn(t *testing.T, fset *token.FileSet, visit func(name string, f *ast.File)) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || name != "." && strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case path.Ext(name) != ".go":
			return nil
		}
		f, err := parser.ParseFile(fset, filepath.Join(root, name), nil, parser.SkipObjectResolution)
		if err == nil {
			visit(name, f)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestArrows(t *testing.T) {
	arrows, seen := map[string][]string{}, map[string]bool{}
	for _, r := range rooms {
		arrows[r.name] = r.imports
	}
	sources(t, func(name string, f *ast.File) {
		room := path.Dir(name)
		for _, spec := range f.Imports {
			target, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			for guest, hosts := range guests {
				if strings.HasPrefix(target, guest) && !slices.Contains(hosts, room) && !strings.HasSuffix(name, "_test.go") {
					t.Errorf("%s imports %s", name, target)
				}
			}
			to, ours := strings.CutPrefix(target, module)
			if host, _, _ := strings.Cut(target, "/"); slices.Contains(standardOnly, room) && !strings.HasSuffix(name, "_test.go") &&
				(ours && !slices.Contains(standardOnly, to) || !ours && strings.Contains(host, ".")) {
				t.Errorf("%s imports %s, and not the standard library alone", name, target)
			}
			if ours && !strings.HasSuffix(name, "_test.go") && !slices.Contains(arrows[room], to) {
				t.Errorf("%s imports %s", name, to)
			}
		}
		if _, known := arrows[room]; !known && !strings.HasSuffix(name, "_test.go") {
			t.Errorf("%s: no room of the house", room)
		}
		seen[room] = true
	})
	for room := range arrows {
		if !seen[room] {
			t.Errorf("there is no %s", room)
		}
	}
}

// TestArchitectureTable: docs/architecture.md has the purpose and the imports of each room of the product.
func TestArchitectureTable(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rooms {
		imports := "-"
		switch {
		case r.name == "cmd/s3ftpd":
			imports = "all"
		case len(r.imports) > 0:
			imports = "`" + strings.Join(r.imports, "`, `") + "`"
		case slices.Contains(standardOnly, r.name):
			imports = "standard library"
		}
		row := fmt.Sprintf("| `%s` | %s | %s |\n", r.name, r.purpose, imports)
		if !strings.HasPrefix(r.name, "test/") && !strings.Contains(string(text), row) {
			t.Errorf("docs/architecture.md lacks the row\n%s", row)
		}
	}
}

func TestTopLevel(t *testing.T) {
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	top := []string{"cmd", "config", "passive", "proxy", "s3fs", "deploy", "docs", "test"}
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") && !slices.Contains(top, e.Name()) && e.Name() != "s3ftpd-demo" {
			t.Errorf("%s is no room of the house", e.Name())
		}
		if strings.HasSuffix(e.Name(), ".go") {
			t.Errorf("%s lies before the door", e.Name())
		}
	}
}

// Only main makes a root context, and no code sleeps.
func TestCalls(t *testing.T) {
	sources(t, func(name string, f *ast.File) {
		ast.Inspect(f, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, _ := sel.X.(*ast.Ident)
			switch {
			case pkg == nil:
			case pkg.Name == "time" && sel.Sel.Name == "Sleep":
				t.Errorf("%s sleeps", name)
			case pkg.Name == "context" && (sel.Sel.Name == "Background" || sel.Sel.Name == "TODO") &&
				!strings.HasSuffix(name, "_test.go") && name != "cmd/s3ftpd/main.go":
				t.Errorf("%s: context.%s", name, sel.Sel.Name)
			}
			return true
		})
	})
}

// TestNoSharedState: package variables are never modified. State that a process shares is made in cmd and passed in. A package variable is
// set by its declaration; no code writes to it or takes its address, and it is not a lock or a channel.
func TestNoSharedState(t *testing.T) {
	rooms := map[string][]*ast.File{}
	names := map[*ast.File]string{}
	fset := token.NewFileSet()
	sourcesIn(t, fset, func(name string, f *ast.File) {
		if room := path.Dir(name); !strings.HasSuffix(name, "_test.go") && !strings.HasPrefix(room, "test/") {
			rooms[room], names[f] = append(rooms[room], f), name
		}
	})
	for room, files := range rooms {
		info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
		config := types.Config{Error: func(error) {}} // imports are not resolved, and files of all systems are mixed
		pkg, _ := config.Check(room, fset, files, info)
		for _, f := range files {
			for _, problem := range sharedState(f, func(id *ast.Ident) bool {
				v, isVar := info.Uses[id].(*types.Var)
				return isVar && v.Parent() == pkg.Scope()
			}) {
				t.Errorf("%s %s", names[f], problem)
			}
		}
	}
}

// sharedState returns the places that make package variables of a file mutable.
func sharedState(f *ast.File, isGlobal func(*ast.Ident) bool) (problems []string) {
	for _, decl := range f.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil && d.Name.Name == "init" {
				problems = append(problems, "has an init")
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if v, ok := spec.(*ast.ValueSpec); ok && d.Tok == token.VAR && (len(v.Values) == 0 || slices.ContainsFunc(v.Values, isSync)) {
					problems = append(problems, "has the mutable variable "+v.Names[0].Name)
				}
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		for _, x := range written(n) {
			if id := rootOf(x); id != nil && isGlobal(id) {
				problems = append(problems, "changes the variable "+id.Name)
			}
		}
		return true
	})
	return problems
}

// isSync reports whether an initial value is a channel, or has a type of sync or sync/atomic. Functions such as sync.OnceValue are allowed.
func isSync(value ast.Expr) (found bool) {
	ast.Inspect(value, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.ChanType:
			found = true
		case *ast.SelectorExpr:
			pkg, ok := n.X.(*ast.Ident)
			found = found || ok && (pkg.Name == "atomic" || pkg.Name == "sync" && !strings.HasPrefix(n.Sel.Name, "Once"))
		}
		return true
	})
	return found
}

// written returns the operands that a statement or an expression changes, or whose address it takes.
func written(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			return n.Lhs
		}
	case *ast.IncDecStmt:
		return []ast.Expr{n.X}
	case *ast.SendStmt:
		return []ast.Expr{n.Chan}
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			return []ast.Expr{n.X}
		}
	case *ast.CallExpr:
		if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "delete" || f.Name == "clear") {
			return n.Args[:1]
		}
	}
	return nil
}

// rootOf returns the variable that x is a part of, or nil.
func rootOf(x ast.Expr) *ast.Ident {
	for {
		switch e := x.(type) {
		case *ast.Ident:
			return e
		case *ast.IndexExpr:
			x = e.X
		case *ast.SelectorExpr:
			x = e.X
		case *ast.StarExpr:
			x = e.X
		case *ast.ParenExpr:
			x = e.X
		default:
			return nil
		}
	}
}

// s3fs logs with a context, so that lines have the session and the user. Only feature.go logs outside sessions.
func TestStoreLogsWithContext(t *testing.T) {
	ofNoSession := []string{"s3fs/feature.go"}
	sources(t, func(name string, f *ast.File) {
		if path.Dir(name) != "s3fs" || strings.HasSuffix(name, "_test.go") || slices.Contains(ofNoSession, name) {
			return
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && slices.Contains([]string{"Debug", "Info", "Warn", "Error"}, sel.Sel.Name) {
				if log, ok := sel.X.(*ast.SelectorExpr); ok && log.Sel.Name == "log" {
					t.Errorf("%s: log.%s", name, sel.Sel.Name)
				}
			}
			return true
		})
	})
}

// Every interface with methods is a named type.
func TestInterfacesHaveNames(t *testing.T) {
	sources(t, func(name string, f *ast.File) {
		if strings.HasSuffix(name, "_test.go") {
			return
		}
		named := make(map[ast.Expr]bool)
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.TypeSpec:
				named[n.Type] = true
			case *ast.InterfaceType:
				if len(n.Methods.List) > 0 && !named[n] {
					t.Errorf("%s has an interface without a name", name)
				}
			}
			return true
		})
	})
}
