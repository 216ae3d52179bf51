package ftp

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestRepliesAreDocumented: docs/replies.md has each code that the program sends, and no other.
func TestRepliesAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/replies.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)^\| (\d{3}) \|`).FindAllStringSubmatch(string(text), -1) {
		documented[m[1]] = true
	}
	if sent := sentCodes(t); !maps.Equal(sent, documented) {
		t.Errorf("docs/replies.md has\n%v\nthe source sends\n%v", slices.Sorted(maps.Keys(documented)), slices.Sorted(maps.Keys(sent)))
	}
}

// sentCodes returns the codes of replies in the source: what begins the literal of a reply, or comes before its text in a call.
func sentCodes(t *testing.T) map[string]bool {
	t.Helper()
	codes := make(map[string]bool)
	add := func(e ast.Expr) {
		if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.INT && regexp.MustCompile(`^[1-5][0-6][0-9]$`).MatchString(l.Value) {
			codes[l.Value] = true
		}
	}
	files, _ := filepath.Glob("*.go")
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CompositeLit:
				if len(n.Elts) == 2 {
					add(n.Elts[0])
				}
			case *ast.CallExpr:
				if len(n.Args) == 2 {
					add(n.Args[0])
				}
			}
			return true
		})
	}
	return codes
}
