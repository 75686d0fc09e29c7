package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// manifest is what the check needs of a bundle's.
type manifest struct {
	Version string `json:"version"`
	Server  struct {
		EntryPoint string `json:"entry_point"`
		Config     struct {
			Command string            `json:"command"`
			Args    []string          `json:"args"`
			Env     map[string]string `json:"env"`
		} `json:"mcp_config"`
	} `json:"server"`
	Compatibility struct {
		Platforms []string `json:"platforms"`
	} `json:"compatibility"`
	UserConfig map[string]struct {
		Default  *string `json:"default"`
		Required bool    `json:"required"`
	} `json:"user_config"`
}

// fill puts version and platform into the template, whose order and words stay.
func fill(template, version, goos string) (string, error) {
	for _, put := range [][2]string{
		{`"version": "0.0.0"`, `"version": "` + version + `"`},
		{`"platforms": []`, `"platforms": ["` + goos + `"]`},
	} {
		if strings.Count(template, put[0]) != 1 {
			return "", fmt.Errorf("the template must have %s once", put[0])
		}
		template = strings.Replace(template, put[0], put[1], 1)
	}
	_, err := parse([]byte(template))
	return template, err
}

func parse(raw []byte) (manifest, error) {
	var m manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return m, err
	}
	for name, u := range m.UserConfig {
		// Clients hand a setting that is left blank on as ${user_config.NAME}, unless it has a default.
		if u.Default == nil && !u.Required {
			return m, fmt.Errorf("user_config.%s is not required, and has no default; let it be an empty text", name)
		}
	}
	return m, nil
}

// expand is a text of the manifest as a client has it that installed the bundle in dir, with all settings
// left blank.
func (m manifest) expand(text, dir string) string {
	text = strings.ReplaceAll(text, "${__dirname}", dir)
	for name, u := range m.UserConfig {
		if u.Default != nil {
			text = strings.ReplaceAll(text, "${user_config."+name+"}", *u.Default)
		}
	}
	return text
}

var (
	semverRE = regexp.MustCompile(`\Av?((0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?)\z`)
	strange  = regexp.MustCompile(`[^0-9A-Za-z-]+`)
)

// semver is a version as bundles have it. What git says of a commit without a tag, and dev, become
// pre-releases of 0.0.0; the letter keeps an abbreviated hash of digits alone from being a number.
func semver(version string) string {
	if m := semverRE.FindStringSubmatch(version); m != nil {
		return m[1]
	}
	return "0.0.0-g" + strange.ReplaceAllString(version, "-")
}
