package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// packed packs two files of a new directory, which have times, modes and an order that do not matter.
func packed(t *testing.T, n int) string {
	t.Helper()
	dir := lay(t, map[string]string{"p": "plugin", "LICENSE": "free"})
	at := time.Unix(int64(1e9*(n+1)), 0)
	if err := os.Chtimes(filepath.Join(dir, "p"), at, at); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "p"), []os.FileMode{0o600, 0o777}[n]); err != nil {
		t.Fatal(err)
	}
	entries := []entry{{"plugins/p", filepath.Join(dir, "p"), 0o755}, {"LICENSE", filepath.Join(dir, "LICENSE"), 0o644}}
	if n == 1 {
		slices.Reverse(entries)
	}
	to := filepath.Join(dir, "x.tar.gz")
	if err := archive(to, "x", entries, time.Unix(1e9, 0)); err != nil {
		t.Fatalf("archive() = %v", err)
	}
	return to
}

func TestTheSameFilesMakeTheSameArchive(t *testing.T) {
	first, second := packed(t, 0), packed(t, 1)
	if a, b := read(t, first), read(t, second); a != b {
		t.Errorf("archive() made %x and %x of the same", a, b)
	}
	f, err := os.Open(first)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %o %d:%d %d", h.Name, h.Mode, h.Uid, h.Gid, h.ModTime.Unix()))
	}
	want := []string{
		"x/ 755 0:0 1000000000", "x/LICENSE 644 0:0 1000000000", "x/plugins/ 755 0:0 1000000000",
		"x/plugins/p 755 0:0 1000000000",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the archive has %q, want %q", got, want)
	}
}

func TestAnArchiveIsUnpackedWithoutLeavingItsFolder(t *testing.T) {
	to := t.TempDir()
	if err := unpack(packed(t, 0), to); err != nil {
		t.Fatalf("unpack() = %v", err)
	}
	info, err := os.Stat(filepath.Join(to, "x/plugins/p"))
	if err != nil || info.Mode() != 0o755 {
		t.Errorf("the plugin is %v, %v; want a program", info, err)
	}
	var raw bytes.Buffer
	z := gzip.NewWriter(&raw)
	w := tar.NewWriter(z)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "../out", Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	hostile := lay(t, map[string]string{"x.tar.gz": raw.String()})
	if err := unpack(filepath.Join(hostile, "x.tar.gz"), to); err == nil || !strings.Contains(err.Error(), "../out") {
		t.Errorf("unpack() of ../out = %v, want a refusal", err)
	}
}

func TestSumsAreWhatSha256sumChecks(t *testing.T) {
	dir := lay(t, map[string]string{"b": "", "a": "abc"})
	if err := writeSums(dir); err != nil {
		t.Fatal(err)
	}
	want := "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a\n" +
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  b\n"
	if got := read(t, filepath.Join(dir, sumsFile)); got != want {
		t.Errorf("%s is\n%s\nwant\n%s", sumsFile, got, want)
	}
}

func TestABillNamesEachModuleOnceAndWhatItIsLinkedInto(t *testing.T) {
	made := func() (*cdx.BOM, string) {
		b := newBill("v1.2.3", "linux/amd64", strings.Repeat("0", 64), time.Unix(1e9, 0))
		grpc := &debug.Module{Path: "google.golang.org/grpc", Version: "v1.85.0", Sum: "h1:x"}
		info := debug.BuildInfo{GoVersion: "go1.26.8", Deps: []*debug.Module{grpc}}
		for _, at := range []string{"plugins/p", "gatehouse"} {
			info.Main = debug.Module{Path: "m/" + at, Version: "v1.2.3"}
			b.add(at, strings.Repeat("1", 64), &info)
		}
		bom := b.finish()
		var out bytes.Buffer
		if err := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON).Encode(bom); err != nil {
			t.Fatal(err)
		}
		return bom, out.String()
	}
	bom, text := made()
	if _, again := made(); text != again {
		t.Errorf("the same made %s and %s", text, again)
	}
	var refs []string
	for _, c := range *bom.Components {
		refs = append(refs, c.BOMRef)
	}
	want := []string{
		"pkg:golang/google.golang.org/grpc@v1.85.0", "pkg:golang/std@1.26.8", "program:gatehouse", "program:plugins/p",
	}
	if !slices.Equal(refs, want) {
		t.Errorf("the components are %q, want %q", refs, want)
	}
	for _, d := range *bom.Dependencies {
		if d.Ref == "program:gatehouse" && !slices.Equal(*d.Dependencies, want[:2]) {
			t.Errorf("linked into gatehouse is %q, want %q", *d.Dependencies, want[:2])
		}
	}
	if bom.Metadata.Timestamp != "2001-09-09T01:46:40Z" || !strings.HasPrefix(bom.SerialNumber, "urn:uuid:") {
		t.Errorf("its time is %s, its number %s", bom.Metadata.Timestamp, bom.SerialNumber)
	}
}

// compiled is a program that does nothing, for a platform.
func compiled(t *testing.T, platform string, flags ...string) string {
	t.Helper()
	dir := lay(t, map[string]string{"go.mod": "module m\n", "main.go": "package main\n\nfunc main() {}\n"})
	cmd := exec.Command("go", append(append([]string{"build", "-o", "x"}, flags...), ".")...)
	goos, goarch, _ := strings.Cut(platform, "/")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+goarch)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return filepath.Join(dir, "x")
}

func TestOnlyStaticProgramsOfThePlatformPass(t *testing.T) {
	linux, darwin := compiled(t, "linux/amd64"), compiled(t, "darwin/arm64")
	dynamic := compiled(t, "linux/amd64", "-buildmode=pie", "-ldflags=-linkmode=internal")
	for _, row := range []struct{ says, name, platform, want string }{
		{"one of this platform", linux, "linux/amd64", ""},
		{"one of another processor", linux, "linux/arm64", "EM_X86_64"},
		{"one of another system", darwin, "linux/arm64", "bad magic"},
		{"one with an interpreter", dynamic, "linux/amd64", "dynamically"},
		{"one of a Mac", darwin, "darwin/arm64", ""},
		{"one of another Mac", darwin, "darwin/amd64", "Arm64"},
	} {
		err := static(row.name, row.platform)
		if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
			t.Errorf("static() of %s = %v, want %q", row.says, err, row.want)
		}
	}
}
