// Command brokenplugin is a plugin that breaks the contract in one way, to show that `gatehouse plugin
// test` sees it. What it does wrong its file name says: as broken-cancel it leaves programs behind when a
// call is cancelled, as broken-sound it does nothing wrong. (A plugin's environment says nothing, which is
// why it is not asked.)
//
// It is written without the sdk, which would not let it misbehave: it serves the contract as a plugin in
// another language does.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/shared/wire"
)

// sin is what this process does wrong.
var sin = strings.TrimPrefix(filepath.Base(os.Args[0]), "broken-")

// sins are all of them, and what each does wrong.
var sins = map[string]string{
	"sound":           "nothing",
	"says-utf8":       "nothing, and says UTF-8 in an error of its own",
	"one-at-a-time":   "nothing, and declares that it takes one call at a time",
	"handshake":       "prints a greeting before the line of the handshake",
	"mutual-tls":      "serves callers without a certificate",
	"any-certificate": "serves callers with whatever certificate",
	"cookie":          "serves whoever starts it",
	"any-cookie":      "serves whoever starts it with some cookie",
	"wrong-version":   "claims every version of the protocol",
	"start":           "takes long to describe itself",
	"manifest":        "names a target argument that is not in the schema",
	"schema":          "has an output schema with a reference to a file",
	"configure":       "takes a policy once",
	"unknown-fields":  "refuses fields that it does not know",
	"health":          "says that it does not serve",
	"bad-arguments":   "takes any arguments there are",
	"deaf":            "does not answer what is no JSON",
	"panic":           "ends at deep nesting",
	"unknown":         "answers null with an error of the kind unknown",
	"answers":         "has data that does not fit its schema",
	"plan":            "plans to run what it does not run",
	"concurrent":      "makes one call at a time",
	"output-cap":      "sends more output than is asked for",
	"truncated":       "cuts output and does not say so",
	"flood":           "gathers output in memory while nobody reads",
	"silent":          "prints nothing",
	"utf8":            "repeats what a caller sent, as it is, in the text of an error",
	"cancel":          "goes on when a call is cancelled",
	"busy":            "computes on when a call is cancelled",
	"waits":           "waits on when a call is cancelled",
	"forked":          "keeps a process of its own for each slow call",
	"deadline":        "goes on after the deadline",
	"late":            "ends at the deadline as if all were well",
	"shutdown":        "does not end when it is asked to",
	"orphans":         "leaves a process in a session of its own when it is killed",
	"stdin":           "gives its stdin to its programs",
	"lifeline":        "does not end with its stdin",
	"stdout":          "prints in a call",
	"environment":     "gives its environment to its programs",
	"environment-run": "gives its environment to a program that ends at once",
	"environment-out": "prints its environment in a call",
}

// kept is the argument with which this program is executed to be kept: it ends with its stdin.
const kept = "kept"

func main() {
	if len(os.Args) > 1 && os.Args[1] == kept {
		lifeline()
		return
	}
	if _, known := sins[sin]; !known {
		fmt.Fprintf(os.Stderr, "brokenplugin: %q is no sin; name the file broken-SIN\n", sin)
		os.Exit(1)
	}
	if !mayServe(os.Getenv(wire.CookieKey)) {
		fmt.Fprintln(os.Stderr, "brokenplugin: this is a plugin, and a host starts it")
		os.Exit(1)
	}
	version, err := agree(os.Getenv("PLUGIN_PROTOCOL_VERSIONS"))
	if err == nil {
		err = serve(version)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "brokenplugin:", err)
		os.Exit(1)
	}
}

// mayServe reports whether it is a host that has started this process.
func mayServe(cookie string) bool {
	return cookie == wire.CookieValue || sin == "cookie" || sin == "any-cookie" && cookie != ""
}

// agree chooses a version of the protocol.
func agree(offered string) (string, error) {
	own := fmt.Sprint(wire.ProtocolVersion)
	switch versions := strings.Split(offered, ","); {
	case sin == "wrong-version":
		return versions[0], nil
	case !slices.Contains(versions, own):
		return "", fmt.Errorf("this plugin speaks version %s of the protocol, and the host %s", own, offered)
	}
	return own, nil
}

// lifeline returns when the host is gone.
func lifeline() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	if sin == "lifeline" {
		select {}
	}
}
