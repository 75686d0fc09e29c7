package nmap

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
)

// maxScripts is how many names and categories one request may have.
const maxScripts = 16

// safeScripts may be chosen by name: in the script database of nmap 7.93 each is in category safe, and
// none in one of unsafeCategories or strangersScripts.
var safeScripts = []string{
	"ftp-anon", "http-headers", "http-robots.txt", "http-title", "imap-capabilities", "mongodb-info",
	"ms-sql-info", "mysql-info", "nbstat", "ntp-info", "pop3-capabilities", "rdp-enum-encryption", "rpcinfo",
	"smb-os-discovery",
	"smtp-commands", "snmp-info", "ssh-hostkey", "ssl-cert", "vnc-info", "x11-access",
}

// openCategories may be chosen by anybody; what of them is not safe is left out.
var openCategories = []string{"auth", "default", "discovery", "safe", "version"}

// gatedCategories need allow_intrusive.
var gatedCategories = []string{"brute", "dos", "exploit", "fuzzer", "intrusive", "malware", "vuln"}

// strangers are the categories whose scripts talk to others than the target; nobody may choose them.
var strangers = []string{"broadcast", "external"}

// strangersScripts are called safe by nmap, and yet talk to others than the target, make the target talk to
// others, touch files, or fetch secrets.
var strangersScripts = []string{
	"bittorrent-discovery", "dns-client-subnet-scan", "dns-recursion", "dns-srv-enum", "fcrdns", "ftp-bounce",
	"http-fetch", "ip-geolocation-map-kml", "ms-sql-dump-hashes", "nat-pmp-mapport", "resolveall",
	"targets-traceroute", "targets-xml", "unittest", "url-snarf",
}

// scripts is the grammar of --script: names and categories, separated by commas. nmap takes
// expressions, wildcards, paths and names of files as well; none of that is read here.
func scripts() command.Grammar {
	return command.Grammar{
		Want: fmt.Sprintf("up to %d of the categories %s and the scripts %s, separated by commas", maxScripts,
			strings.Join(openCategories, " "), strings.Join(safeScripts, " ")),
		Read: func(text string, _ sdk.Policy) (command.Value, error) {
			items := strings.Split(text, ",")
			if len(items) > maxScripts {
				return command.Value{}, fmt.Errorf("%d items; allowed are %d", len(items), maxScripts)
			}
			v := command.Value{Text: text}
			for _, item := range items {
				switch {
				case slices.Contains(openCategories, item), slices.Contains(safeScripts, item):
				case slices.Contains(gatedCategories, item):
					v.Gated = "scripts of category " + item
				case slices.Contains(strangers, item), slices.Contains(strangersScripts, item):
					return v, fmt.Errorf("%s reaches beyond the target", item)
				case item == "":
					return v, errors.New("an empty item")
				default:
					return v, fmt.Errorf("%q is no category and no script of the list", item)
				}
			}
			return v, nil
		},
	}
}

// chosen is the value of --script for a request; empty: no scripts. -sC and -A mean the default ones.
func chosen(j *command.Job) string {
	var items []string
	if o, ok := j.Option("--script"); ok {
		items = strings.Split(o.Value.Text, ",")
	}
	if j.Has("-sC", "-A") && !slices.Contains(items, "default") {
		items = append([]string{"default"}, items...)
	}
	for i, item := range items {
		items[i] = expression(item)
	}
	return strings.Join(items, ",")
}

// expression writes a category as the part of it that may run, in nmap's own language. It has no comma.
func expression(item string) string {
	switch {
	case slices.Contains(openCategories, item):
		return fmt.Sprintf("(%s) and safe and not (%s) and not (%s)", item,
			strings.Join(slices.Sorted(slices.Values(slices.Concat(gatedCategories, strangers))), " or "),
			strings.Join(strangersScripts, " or "))
	case slices.Contains(gatedCategories, item):
		return fmt.Sprintf("(%s) and not (%s)", item, strings.Join(strangers, " or "))
	}
	return item
}
