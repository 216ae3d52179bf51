package proxy

import "testing"

func TestIsElement(t *testing.T) {
	for name, want := range map[string]bool{"a": true, "a b": true, `a\b`: true, "...": true, "é": true,
		"": false, ".": false, "..": false, "a/b": false, "a/": false, "a\n": false, "a\u009b": false, "a\xff": false} {
		if got := IsElement(name); got != want {
			t.Errorf("IsElement(%q) = %v, want %v", name, got, want)
		}
	}
}
