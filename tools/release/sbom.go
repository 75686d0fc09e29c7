package main

import (
	"cmp"
	"debug/buildinfo"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/uuid"
)

// writeBill writes the bill of materials of one platform's archive: which programs are in it, and which
// modules were linked into each. It is what the programs say themselves, so it lists no module that is only
// in a go.mod.
func (p proving) writeBill(to, archive, platform string) error {
	sum, err := sha256Of(archive)
	if err != nil {
		return err
	}
	b := newBill(p.version, platform, sum, time.Unix(p.cut.base.seconds, 0))
	for _, prog := range p.programs() {
		name := filepath.Join(p.built(platform), filepath.FromSlash(prog.at))
		info, err := buildinfo.ReadFile(name)
		if err != nil {
			return err
		}
		if sum, err = sha256Of(name); err != nil {
			return err
		}
		b.add(prog.at, sum, info)
	}
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	enc := cdx.NewBOMEncoder(f, cdx.BOMFileFormatJSON)
	return errors.Join(enc.SetPretty(true).Encode(b.finish()), f.Close())
}

// bill collects what is in an archive.
type bill struct {
	bom        *cdx.BOM
	components map[string]cdx.Component // reference -> what it is
	contains   map[string][]string      // reference -> what is linked into it
}

// newBill begins the bill of an archive with this checksum. The same archive has the same serial number.
func newBill(version, platform, sum string, at time.Time) *bill {
	b := &bill{
		bom: cdx.NewBOM(), components: make(map[string]cdx.Component), contains: make(map[string][]string),
	}
	b.bom.SerialNumber = uuid.NewSHA1(uuid.NameSpaceURL, []byte("sha256:"+sum)).URN()
	root := cdx.Component{
		BOMRef: "gatehouse", Type: cdx.ComponentTypeApplication, Name: "gatehouse", Version: version,
		Description: "Gatehouse and its plugins for " + platform,
		Licenses:    &cdx.Licenses{{License: &cdx.License{ID: "MIT"}}},
		Hashes:      &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: sum}},
	}
	b.bom.Metadata = &cdx.Metadata{Timestamp: at.UTC().Format(time.RFC3339), Component: &root}
	return b
}

// add puts a program in, with the modules that it says it is made of.
func (b *bill) add(at, sum string, info *debug.BuildInfo) {
	ref := "program:" + at
	b.components[ref] = cdx.Component{
		BOMRef: ref, Type: cdx.ComponentTypeApplication, Name: at, Version: info.Main.Version,
		PackageURL: purl(info.Main.Path, info.Main.Version),
		Hashes:     &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: sum}},
	}
	b.contains["gatehouse"] = append(b.contains["gatehouse"], ref)
	std := &debug.Module{Path: "std", Version: strings.TrimPrefix(info.GoVersion, "go")}
	for _, m := range append([]*debug.Module{std}, info.Deps...) {
		b.contains[ref] = append(b.contains[ref], b.module(m))
	}
}

// module puts a module in, and returns its reference.
func (b *bill) module(m *debug.Module) string {
	url := purl(m.Path, m.Version)
	c := cdx.Component{
		BOMRef: url, Type: cdx.ComponentTypeLibrary, Name: m.Path, Version: m.Version,
		PackageURL: url, Scope: cdx.ScopeRequired,
	}
	if m.Sum != "" { // of the whole module, as go.sum has it; it is not the checksum of a file
		c.Properties = &[]cdx.Property{{Name: "go:sum", Value: m.Sum}}
	}
	b.components[url] = c
	return url
}

// purl is the package URL of a Go module: https://github.com/package-url/purl-spec.
func purl(path, version string) string {
	return "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")
}

// finish returns the whole, sorted.
func (b *bill) finish() *cdx.BOM {
	list := slices.SortedFunc(maps.Values(b.components), func(x, y cdx.Component) int {
		return cmp.Compare(x.BOMRef, y.BOMRef)
	})
	var deps []cdx.Dependency
	for _, ref := range slices.Sorted(maps.Keys(b.contains)) {
		on := slices.Compact(slices.Sorted(slices.Values(b.contains[ref])))
		deps = append(deps, cdx.Dependency{Ref: ref, Dependencies: &on})
	}
	b.bom.Components, b.bom.Dependencies = &list, &deps
	return b.bom
}
