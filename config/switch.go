package config

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
)

// parseBool reads a boolean.
func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true", "on", "yes", "1":
		return true, nil
	case "false", "off", "no", "0":
		return false, nil
	}
	return false, errors.New("must be true or false")
}

// parseSwitch reads on or off. The caller handles auto.
func parseSwitch(text string) (*bool, error) {
	on, err := parseBool(text)
	if err != nil {
		return nil, errors.New("must be on, off or auto")
	}
	return &on, nil
}

// orAuto returns a parser that accepts auto as the zero value.
func orAuto[T any](parse func(string) (T, error)) func(string) (T, error) {
	return func(text string) (v T, err error) {
		if text == "auto" {
			return v, nil
		}
		v, err = parse(text)
		if err != nil && !strings.Contains(err.Error(), "auto") {
			err = errors.New("must be auto or" + strings.TrimPrefix(err.Error(), "must be"))
		}
		return v, err
	}
}

// oneOf returns a parser for one of the words.
func oneOf(words ...string) func(string) (string, error) {
	last := len(words) - 1
	err := errors.New("must be " + strings.Join(words[:last], ", ") + " or " + words[last])
	return func(text string) (string, error) {
		if !slices.Contains(words, text) {
			return "", err
		}
		return text, nil
	}
}

func parseLevel(text string) (slog.Level, error) {
	word, err := oneOf("debug", "info", "warn", "error")(text)
	if err != nil {
		return 0, err
	}
	var level slog.Level
	return level, level.UnmarshalText([]byte(word))
}
