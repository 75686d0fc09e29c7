package nmap

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
)

// maxScripts is how many names and categories one request may have.
const maxScripts = 16

// openCategories may be chosen by anybody; what of them is not safe is left out.
var openCategories = []string{"auth", "default", "discovery", "safe", "version"}

// gatedCategories need allow_intrusive, and so do their scripts.
var gatedCategories = []string{"intrusive", "vuln", "exploit", "brute", "dos", "fuzzer", "malware"}

// strangers are the categories whose scripts talk to others than the target; nobody may choose them.
var strangers = []string{"external", "broadcast"}

// notSafe is what a script that anybody may choose is in none of.
var notSafe = []string{
	"intrusive", "vuln", "exploit", "brute", "dos", "external", "fuzzer", "malware", "broadcast",
}

// beyond are scripts that nmap calls safe and that reach beyond the target all the same.
var beyond = []string{
	"ftp-bounce",             // has the target connect to a machine of nmap's authors
	"http-fetch",             // writes files
	"ip-geolocation-map-kml", // writes files
	"targets-xml",            // reads files
	"url-snarf",              // listens to everybody's traffic
	"nat-pmp-mapport",        // changes what a router lets in
	"targets-traceroute", "resolveall", "dns-srv-enum", "dns-client-subnet-scan", "bittorrent-discovery",
	"unittest", // these talk to other hosts
}

// notNames mean something in the language of nmap's --script.
var notNames = []string{"all", "true", "false", "and", "or", "not"}

// The categories as sets.
var (
	safeSet      = setOf("safe")
	gatedSet     = setOf(gatedCategories...) | unknownCategory
	strangersSet = setOf(strangers...)
	notSafeSet   = setOf(notSafe...)
)

// scripts is the grammar of --script: names and categories, separated by commas. nmap takes expressions,
// wildcards, paths and names of files as well; none of that is read here. One item that is refused refuses
// all: what a caller gets is never less than what he asked for.
func (l *library) scripts() command.Grammar {
	return command.Grammar{
		Want: fmt.Sprintf("up to %d names, separated by commas, of categories (%s; with allow_intrusive %s) "+
			"or of nmap's scripts", maxScripts, strings.Join(openCategories, " "),
			strings.Join(gatedCategories, " ")),
		Read: func(text string, _ sdk.Policy) (command.Value, error) {
			items := strings.Split(text, ",")
			if len(items) > maxScripts {
				return command.Value{}, fmt.Errorf("%d items; allowed are %d", len(items), maxScripts)
			}
			db, err := l.current()
			if err != nil {
				return command.Value{}, err
			}
			v := command.Value{Text: text, Int: int64(len(items))}
			for _, item := range items {
				gated, err := db.judge(item)
				if err != nil {
					return command.Value{}, err
				}
				if v.Gated == "" {
					v.Gated = gated
				}
			}
			return v, nil
		},
	}
}

// judge says why an item needs allow_intrusive, or why nobody may choose it.
func (db *scriptDB) judge(item string) (gated string, err error) {
	set, isScript := db.scripts[item]
	switch {
	case item == "":
		return "", errors.New("an empty item; there is a comma too many")
	case !isWord(item, "abcdefghijklmnopqrstuvwxyz0123456789.-") || slices.Contains(notNames, item):
		return "", sdk.Errorf(sdk.KindValidation, "%q is no name of a script or of a category",
			clipped(item)).
			Suggest("name them as nmap does, in small letters, separated by commas alone: there are no " +
				"expressions, wildcards or files here")
	case slices.Contains(openCategories, item):
		return "", nil
	case slices.Contains(gatedCategories, item):
		return "scripts of category " + item, nil
	case slices.Contains(strangers, item):
		return "", reaches("the scripts of category "+item, "they talk to others than the target")
	case !isScript:
		return "", db.unknown(item)
	case set&strangersSet != 0:
		return "", reaches(item, "it is in category "+strings.Join((set&strangersSet).names(), " and "))
	case slices.Contains(beyond, item):
		return "", reaches(item,
			"nmap calls it safe, but it talks to others than the target, or touches files")
	case set&gatedSet != 0:
		return item + " is in category " + strings.Join((set&gatedSet).names(), " and "), nil
	case set&safeSet == 0:
		return item + " is not in category safe", nil
	}
	return "", nil
}

func reaches(what, why string) *sdk.Error {
	verb := "reaches"
	if strings.HasPrefix(what, "the ") {
		verb = "reach"
	}
	return sdk.Errorf(sdk.KindValidation, "%s %s beyond the target: %s", what, verb, why).
		Suggest("allowed are the categories %s, and the scripts in category safe that are in none of %s",
			strings.Join(openCategories, " "), strings.Join(notSafe, " "))
}

// unknown is the error of a name that is not in the database, with names that may have been meant.
func (db *scriptDB) unknown(item string) *sdk.Error {
	err := sdk.Errorf(sdk.KindValidation, "%q is neither a category nor one of the %d scripts of this nmap",
		clipped(item), len(db.scripts))
	if near := db.near(item); len(near) > 0 {
		return err.Suggest("did you mean %s? The categories are %s", strings.Join(near, " or "),
			strings.Join(openCategories, " "))
	}
	return err.Suggest("the categories are %s; name a script exactly as nmap does, without .nse",
		strings.Join(openCategories, " "))
}

// near finds up to three names that anybody may choose, and that are little different.
func (db *scriptDB) near(item string) []string {
	all := func(yield func(string) bool) {
		for _, name := range openCategories {
			if !yield(name) {
				return
			}
		}
		maps.Keys(db.scripts)(yield)
	}
	var names []string
	for _, name := range command.Nearest(item, all) {
		if gated, err := db.judge(name); err == nil && gated == "" && len(names) < 3 {
			names = append(names, name)
		}
	}
	return names
}

// clipped is as much of an item as a message repeats; no script has a name as long.
func clipped(item string) string {
	const most = 64
	if len(item) <= most {
		return item
	}
	return item[:most] + "..."
}

// expressions are the categories as the part of them that may run, in nmap's own language. None has a comma.
var expressions = func() map[string]string {
	m := make(map[string]string)
	for _, c := range openCategories {
		m[c] = fmt.Sprintf("(%s) and safe and not (%s) and not (%s)", c, strings.Join(notSafe, " or "),
			strings.Join(beyond, " or "))
	}
	for _, c := range gatedCategories {
		m[c] = fmt.Sprintf("(%s) and not (%s)", c, strings.Join(strangers, " or "))
	}
	return m
}()

// members are the scripts that the expression of a category means, sorted.
func (db *scriptDB) members(category string) []string {
	var names []string
	for name, set := range db.scripts {
		open := set&safeSet != 0 && set&notSafeSet == 0 && !slices.Contains(beyond, name)
		gated := slices.Contains(gatedCategories, category) && set&strangersSet == 0
		if set&setOf(category) != 0 && (open && slices.Contains(openCategories, category) || gated) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// chosen is the value of --script for a request, and what is to be said of it; empty: no scripts. -sC and -A
// mean the default ones.
func (l *library) chosen(j *command.Job) (value, why string) {
	var items []string
	if o, ok := j.Option("--script"); ok {
		items = strings.Split(o.Value.Text, ",")
	}
	if j.Has("-sC", "-A") && !slices.Contains(items, "default") {
		items = append([]string{"default"}, items...)
	}
	if len(items) == 0 {
		return "", ""
	}
	why = "scripts to run"
	db := l.last()
	for i, item := range items {
		e, ok := expressions[item]
		if !ok {
			continue
		}
		items[i] = e
		if db != nil {
			why += fmt.Sprintf("; of category %s the %d that the policy allows", item, db.counts[item])
		}
	}
	if j.Has("-sC", "-A") {
		why += "; -sC and -A mean category default"
	}
	return strings.Join(items, ","), why
}
