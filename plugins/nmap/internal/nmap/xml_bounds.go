package nmap

import (
	"encoding/xml"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// Bounds of what is read and kept. Scanned machines choose much of these bytes.
const (
	maxXML   = 256 << 20
	maxToken = 1 << 20   // bytes of one tag with its attributes, or of one text
	maxValue = 128 << 10 // bytes of one attribute or text, with its escapes; what is beyond is left out
	maxDepth = 32        // nmap's own documents have 8
	maxData  = 5 << 19   // 2.5 MiB of JSON; package command carries 3 MiB
	maxWord  = 32        // bytes of a word of nmap's in the least that is told of a host
	maxText  = 512       // bytes of any text for which nothing else is said
	maxPorts = 4 << 10   // bytes of a list of ports
	maxList  = 64        // hostnames, scans, hops
	maxFew   = 16        // guesses at a system, its kinds, CPEs, states of ports and reasons for them
	unnamed  = "unknown" // a service without a name

	perHost   = 200      // scripts of one host
	perPort   = 50       // scripts of one port
	maxScript = 16 << 10 // bytes of the output of one script
	maxParsed = 32 << 10 // bytes of its parts together
	maxParts  = 512      // of these
	maxNested = 12       // tables in tables
	maxElem   = 4 << 10  // bytes of one
	maxKey    = 128      // bytes of the key of one
)

// attrs are the attributes of an element, name -> value.
type attrs map[string]string

func attributes(list []xml.Attr) attrs {
	a := make(attrs, len(list))
	for _, x := range list {
		a[x.Name.Local] = x.Value
	}
	return a
}

func (a attrs) text(name string) string { return cut(a[name], maxText) }

func (a attrs) untrusted(name string) sdk.Untrusted { return sdk.Untrusted(a.text(name)) }

// number is a count; what is none is 0.
func (a attrs) number(name string) int {
	n, err := strconv.ParseInt(a[name], 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return int(n)
}

func (a attrs) decimal(name string, most float64) float64 {
	f, err := strconv.ParseFloat(a[name], 64)
	if err != nil || !(f >= 0) { // false for NaN too
		return 0
	}
	return min(f, most)
}

// time is a number of seconds since 1970 as RFC 3339 has it, or "" for what is no time of these centuries.
func (a attrs) time(name string) string {
	sec := a.number(name)
	if sec == 0 || sec > 1<<34 {
		return ""
	}
	return time.Unix(int64(sec), 0).UTC().Format(time.RFC3339)
}

// cut is the beginning of a text, without a character cut in two.
func cut(s string, most int) string {
	if len(s) <= most {
		return strings.Clone(s) // the decoder's buffer may be larger
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return strings.Clone(s[:most])
}
