package hello

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
)

// table is the registry of IANA (TLS Parameters, TLS Cipher Suites), one suite a line, from those that are
// recommended today to those that protect nothing: the order in which they are offered.
//
//go:embed suites.txt
var table string

// Suite is a cipher suite.
type Suite struct {
	ID   uint16
	Name string // of IANA: TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
}

var suites, nameOf = read(table)

func read(text string) (all []Suite, byID map[uint16]string) {
	byID = make(map[uint16]string) // id -> name
	for line := range strings.Lines(text) {
		id, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.ParseUint(id, 16, 16)
		if err != nil {
			panic(err) // the table is ours
		}
		all = append(all, Suite{uint16(n), name})
		byID[uint16(n)] = name
	}
	return all, byID
}

// Suites are those that can be chosen with a version, the good ones first.
func Suites(version uint16) []Suite {
	var all []Suite
	for _, s := range suites {
		if s.first() <= version && (version == TLS13) == (s.first() == TLS13) {
			all = append(all, s)
		}
	}
	return all
}

// Name is what IANA calls a suite, or its number for one that is not in the table.
func Name(id uint16) string {
	if name, ok := nameOf[id]; ok {
		return name
	}
	return fmt.Sprintf("0x%04X", id)
}

// first is the oldest version with which a suite can be chosen.
func (s Suite) first() uint16 {
	elliptic := strings.HasPrefix(s.Name, "TLS_ECDH")
	modern := strings.HasSuffix(s.Name, "_SHA256") || strings.HasSuffix(s.Name, "_SHA384") ||
		strings.Contains(s.Name, "_CCM")
	switch {
	case !strings.Contains(s.Name, "_WITH_"):
		return TLS13
	case modern: // MACs and modes of RFC 5246 and later
		return TLS12
	case elliptic: // curves are an extension, which came with TLS 1.0
		return TLS10
	}
	return SSL30
}
