// Package doctor judges a machine that a host runs on, or is to run on: what is well, what is not, and what
// to type. A [Finding] is one judgement. Each function judges one area by facts that it is given; those that
// look for themselves, [LookAt] and [LookAtPort], return facts and judge nothing.
//
//	findings := doctor.StateDir(dir, doctor.LookAt(dir, free))
//	findings = append(findings, doctor.Plugins(plugins)...)
//	doctor.Print(os.Stdout, findings)
//	if doctor.Worst(findings) == doctor.Fail { ... }
package doctor

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

// Status is a judgement.
type Status string

// The judgements.
const (
	OK   Status = "ok"
	Warn Status = "warn" // it works, with less or at a risk
	Fail Status = "fail" // something does not work
)

// Finding is one thing that was looked at.
type Finding struct {
	Area    string `json:"area"` // such as "configuration", "plugin nmap", "port"
	Status  Status `json:"status"`
	Message string `json:"message"`       // what was found
	Fix     string `json:"fix,omitempty"` // a command to type, or one sentence
}

// Worst is the worst of the judgements; nothing found is nothing wrong.
func Worst(all []Finding) Status {
	worst := OK
	for _, f := range all {
		switch {
		case f.Status == Fail:
			return Fail
		case f.Status == Warn:
			worst = Warn
		}
	}
	return worst
}

// marks are aligned, and the worst is seen from far.
var marks = map[Status]string{OK: "ok  ", Warn: "warn", Fail: "FAIL"}

// Print writes the findings for people, a line each, and below it what to do. Much of the text is foreign:
// what a terminal would obey is taken out of it.
func Print(w io.Writer, all []Finding) error {
	for _, f := range all {
		text := fmt.Sprintf("%s  %s: %s\n", marks[f.Status], plain(f.Area), plain(f.Message))
		if f.Fix != "" && f.Status != OK {
			text += fmt.Sprintf("      %s: %s\n", todo(f.Fix), plain(f.Fix))
		}
		if _, err := io.WriteString(w, text); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	return nil
}

// todo says whether a fix is typed, or done in some other way.
func todo(fix string) string {
	word, _, _ := strings.Cut(fix, " ")
	switch word {
	case "sudo", "apt-get", "apt", "chmod", "chown", "mkdir", "cp", "mv", "rm", "gatehouse", "df", "ss", "systemctl":
		return "type"
	}
	return "do"
}

func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			return '\uFFFD'
		}
		return r
	}, s)
}

// Configuration judges how the configuration was read: file is "" when there is none, unknown are the
// variables of the environment that look like settings and are none, err is why it could not be read.
func Configuration(file string, warnings, unknown []string, err error) []Finding {
	const area = "configuration"
	if err != nil {
		var all []Finding
		for line := range strings.Lines(err.Error()) {
			if line = strings.TrimSpace(line); line != "" {
				all = append(all, Finding{area, Fail, line, ""})
			}
		}
		all[len(all)-1].Fix = "gatehouse config check"
		if file != "" {
			all[len(all)-1].Fix += " --config " + file
		}
		return all
	}
	where := "defaults, environment and flags; no file"
	if file != "" {
		where = file + " is valid"
	}
	all := []Finding{{area, OK, where, ""}}
	for _, w := range warnings {
		all = append(all, Finding{area, Warn, w, "gatehouse config print"})
	}
	for _, name := range unknown {
		all = append(all, Finding{area, Warn, name + " in the environment looks like a setting and is none",
			"unset it, or correct its name: gatehouse config print"})
	}
	return all
}
