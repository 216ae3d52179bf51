package config

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
)

// parseBool reads a switch.
func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true", "on", "yes", "1":
		return true, nil
	case "false", "off", "no", "0":
		return false, nil
	}
	return false, errors.New("true or false is wanted")
}

// parseSwitch reads a switch that can also be left alone.
func parseSwitch(text string) (*bool, error) {
	on, err := parseBool(text)
	if err != nil {
		return nil, errors.New("on, off or auto is wanted")
	}
	return &on, nil
}

// orAuto lets the word auto stand for the zero value.
func orAuto[T any](parse func(string) (T, error)) func(string) (T, error) {
	return func(text string) (v T, err error) {
		if text == "auto" {
			return v, nil
		}
		v, err = parse(text)
		if err != nil && !strings.Contains(err.Error(), "auto") {
			err = errors.New("auto is possible; else " + err.Error())
		}
		return v, err
	}
}

// oneOf reads one of the words.
func oneOf(words ...string) func(string) (string, error) {
	last := len(words) - 1
	wanted := strings.Join(words[:last], ", ") + " or " + words[last] + " is wanted"
	return func(text string) (string, error) {
		if !slices.Contains(words, text) {
			return "", errors.New(wanted)
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
