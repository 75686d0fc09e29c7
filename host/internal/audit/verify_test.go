package audit

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// sample writes a trail of several files with a recovered torn line in it, and closes it.
func sample(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for i := range 4 {
		trail := open(t, Config{Dir: dir, MaxFileSize: 8 << 10})
		for range 5 {
			appendAll(t, trail, typical(Accept), typical(Exec), typical(Finish), typical(Refuse))
		}
		trail.floods.all.SetBurst(0)
		appendAll(t, trail, typical(Refuse), typical(Plan), typical(Refuse))
		closeTrail(t, trail)
		if i == 1 {
			tear(t, trail.Status().Path, `{"seq":45,"prev":"torn`)
		}
	}
	if r := wantUnbroken(t, dir); r.Files < 4 || r.Torn != 1 || r.Summed != 12 {
		t.Fatalf("the sample is %+v, want 4 files, a torn line and sums", r)
	}
	return dir
}

// tear adds what a process leaves that is ended in the middle of a write.
func tear(t testing.TB, path, bytes string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err == nil {
		_, err = f.WriteString(bytes)
	}
	if err != nil || f.Close() != nil {
		t.Fatal(err)
	}
}

// split cuts a file into lines with their ends.
func split(raw []byte) [][]byte {
	all := bytes.SplitAfter(raw, []byte("\n"))
	return all[:len(all)-1]
}

// mutations each change the files of a trail in one way. They return false when the choice of the numbers
// changes nothing.
var mutations = map[string]func(files [][]byte, at, to, bit int) ([][]byte, bool){
	"a bit flipped": func(files [][]byte, at, to, bit int) ([][]byte, bool) {
		f := files[at%len(files)]
		f[to%len(f)] ^= 1 << (bit % 8)
		return files, true
	},
	"a line deleted": func(files [][]byte, at, to, _ int) ([][]byte, bool) {
		return edit(files, at, func(l [][]byte) [][]byte { return slices.Delete(l, to%len(l), to%len(l)+1) })
	},
	"two lines swapped": func(files [][]byte, at, to, other int) ([][]byte, bool) {
		return edit(files, at, func(l [][]byte) [][]byte {
			i, j := to%len(l), other%len(l)
			l[i], l[j] = l[j], l[i]
			return l
		})
	},
	"a line doubled": func(files [][]byte, at, to, other int) ([][]byte, bool) {
		return edit(files, at, func(l [][]byte) [][]byte {
			return slices.Insert(l, other%(len(l)+1), l[to%len(l)])
		})
	},
	"a byte inserted": func(files [][]byte, at, to, b int) ([][]byte, bool) {
		i := at % len(files)
		files[i] = slices.Insert(files[i], to%(len(files[i])+1), byte(b))
		return files, true
	},
	"a byte removed": func(files [][]byte, at, to, _ int) ([][]byte, bool) {
		i := at % len(files)
		files[i] = slices.Delete(files[i], to%len(files[i]), to%len(files[i])+1)
		return files, true
	},
	"the end cut off": func(files [][]byte, at, to, _ int) ([][]byte, bool) {
		i := at % len(files)
		files[i] = files[i][:to%len(files[i])]
		return files, true
	},
	"the beginning cut off": func(files [][]byte, at, to, _ int) ([][]byte, bool) {
		i := at % len(files)
		files[i] = files[i][1+to%len(files[i]):]
		return files, true
	},
	"two files swapped": func(files [][]byte, at, to, _ int) ([][]byte, bool) {
		i, j := at%len(files), to%len(files)
		files[i], files[j] = files[j], files[i]
		return files, i != j
	},
	"a file removed": func(files [][]byte, at, _, _ int) ([][]byte, bool) {
		files[at%len(files)] = nil
		return files, true
	},
	"a line moved to the next file": func(files [][]byte, at, _, _ int) ([][]byte, bool) {
		i := at % (len(files) - 1)
		l := split(files[i])
		files[i+1] = append(slices.Clone(l[len(l)-1]), files[i+1]...)
		files[i] = bytes.Join(l[:len(l)-1], nil)
		return files, true
	},
	"a first line moved to the file before": func(files [][]byte, at, _, _ int) ([][]byte, bool) {
		i := at % (len(files) - 1)
		l := split(files[i+1])
		files[i] = append(slices.Clone(files[i]), l[0]...)
		files[i+1] = bytes.Join(l[1:], nil)
		return files, true
	},
}

// edit changes the lines of one file.
func edit(files [][]byte, at int, change func([][]byte) [][]byte) ([][]byte, bool) {
	i := at % len(files)
	after := bytes.Join(change(split(files[i])), nil)
	changed := !bytes.Equal(files[i], after)
	files[i] = after
	return files, changed
}

// mutated copies a trail with one mutation in it.
func mutated(t testing.TB, from, to, name string, at, place, other int) bool {
	t.Helper()
	numbers, err := fileNumbers(from)
	if err != nil {
		t.Fatal(err)
	}
	var files [][]byte
	for _, n := range numbers {
		files = append(files, read(t, from, n))
	}
	before := slices.Clone(files)
	for i := range before {
		before[i] = slices.Clone(before[i])
	}
	files, changed := mutations[name](files, at, place, other)
	if !changed || slices.EqualFunc(before, files, bytes.Equal) {
		return false
	}
	for i, n := range numbers {
		if files[i] == nil {
			_ = os.Remove(filePath(to, n)) // of the mutation before
			continue
		}
		write(t, filePath(to, n), files[i])
	}
	head, err := os.ReadFile(filepath.Join(from, headName))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(to, headName), head)
	return true
}

func TestVerifyFindsEveryChange(t *testing.T) {
	dir := sample(t)
	for name := range mutations {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(3, uint64(len(name))))
			to := t.TempDir()
			for range 30 {
				at, place, other := random.IntN(1000), random.IntN(1<<20), random.IntN(256)
				if !mutated(t, dir, to, name, at, place, other) {
					continue
				}
				if r, f := verify(t, to, Options{}); r.Broken == 0 {
					t.Fatalf("%s (%d, %d, %d): Verify found %v, want the change", name, at, place, other, f)
				}
			}
		})
	}
}

func TestVerifyFindsEveryBitOfATornLine(t *testing.T) {
	dir := sample(t)
	numbers, _ := fileNumbers(dir)
	for _, n := range numbers {
		raw := read(t, dir, n)
		at := bytes.Index(raw, []byte(`{"seq":45,"prev":"torn`))
		if at < 0 {
			continue
		}
		for i := at; i <= at+bytes.IndexByte(raw[at:], '\n'); i++ {
			raw[i] ^= 2
			write(t, filePath(dir, n), raw)
			wantBroken(t, dir, "")
			raw[i] ^= 2
		}
		return
	}
	t.Fatal("the sample has no torn line")
}

func FuzzVerifyFindsEveryChange(f *testing.F) {
	dir := sample(f)
	for i := range len(mutations) {
		f.Add(uint(i), uint(i), uint(1000*i), uint(i))
	}
	f.Fuzz(func(t *testing.T, kind, at, place, other uint) {
		names := slices.Sorted(func(yield func(string) bool) {
			for name := range mutations {
				if !yield(name) {
					return
				}
			}
		})
		to := t.TempDir()
		name := names[kind%uint(len(names))]
		if !mutated(t, dir, to, name, int(at>>1), int(place>>1), int(other>>1)) {
			return
		}
		if r, found := verify(t, to, Options{}); r.Broken == 0 {
			t.Errorf("%s (%d, %d, %d): Verify found %v, want the change", name, at, place, other, found)
		}
	})
}

// Whatever stands in the files, Verify and New answer, and what New makes of it can be gone on with.
func FuzzForeignBytesAreTold(f *testing.F) {
	dir := sample(f)
	f.Add(read(f, dir, 1), []byte("head"))
	f.Add([]byte("\n\n{}\n"), []byte{})
	f.Add(read(f, dir, 2)[:1000], head{file: 1}.append(nil))
	f.Fuzz(func(t *testing.T, raw, headRaw []byte) {
		dir := t.TempDir()
		write(t, filePath(dir, 1), raw)
		write(t, filepath.Join(dir, headName), headRaw)
		verify(t, dir, Options{})
		trail := open(t, Config{Dir: dir})
		appendAll(t, trail, typical(Accept))
		closeTrail(t, trail)
		last := trail.Status().Seq
		if r, found := verify(t, dir, Options{}); r.Last.Seq != last || r.Lines == 0 {
			t.Errorf("the trail ends with %d, want %d: %v", r.Last.Seq, last, found)
		}
	})
}

func TestLinesCutOffBeforeARestartAreTold(t *testing.T) {
	for _, lost := range []int{1, 3, 20} {
		t.Run(fmt.Sprint(lost), func(t *testing.T) {
			dir := t.TempDir()
			trail := open(t, Config{Dir: dir})
			for range 20 {
				appendAll(t, trail, typical(Accept))
			}
			closeTrail(t, trail)
			l := split(read(t, dir, 1))
			write(t, filePath(dir, 1), bytes.Join(l[:len(l)-lost], nil))
			wantBroken(t, dir, "missing at the end")
			closeTrail(t, open(t, Config{Dir: dir}))
			wantBroken(t, dir, headCut)
		})
	}
}

func TestAMissingHeadIsTold(t *testing.T) {
	dir := sample(t)
	if err := os.Remove(filepath.Join(dir, headName)); err != nil {
		t.Fatal(err)
	}
	wantBroken(t, dir, "audit.head is missing")
	closeTrail(t, open(t, Config{Dir: dir}))
	wantBroken(t, dir, headGone)
}

func TestAFileThatIsTakenAwayFromUnderTheHostIsTold(t *testing.T) {
	dir := t.TempDir()
	trail := open(t, Config{Dir: dir})
	appendAll(t, trail, typical(Accept))
	if err := os.Rename(filePath(dir, 1), filepath.Join(dir, "elsewhere")); err != nil {
		t.Fatal(err)
	}
	trail.retry() // a second later
	appendAll(t, trail, typical(Accept))
	wantBroken(t, dir, linesGone)
	wantBroken(t, dir, "begins with seq 2, and should begin with seq 1")
}

func TestATornLineAtTheEndIsNoChange(t *testing.T) {
	dir := t.TempDir()
	trail := open(t, Config{Dir: dir})
	appendAll(t, trail, typical(Accept))
	tear(t, filePath(dir, 1), `{"seq":2,"prev`)
	if r := wantUnbroken(t, dir); r.Notes != 1 {
		t.Errorf("Verify = %+v, want a note of the torn line", r)
	}
	appendAll(t, trail, typical(Accept)) // another process left it while this one lives
	if r := wantUnbroken(t, dir); r.Notes != 1 || r.Torn != 1 || r.Lines != 3 {
		t.Errorf("Verify = %+v, want 3 lines and a note of the torn line", r)
	}
}

func TestAHostThatEndsBetweenLineAndHeadLosesNothing(t *testing.T) {
	dir := t.TempDir()
	trail := open(t, Config{Dir: dir})
	appendAll(t, trail, typical(Accept))
	before, err := os.ReadFile(filepath.Join(dir, headName))
	if err != nil {
		t.Fatal(err)
	}
	appendAll(t, trail, typical(Accept))
	write(t, filepath.Join(dir, headName), before)
	if r := wantUnbroken(t, dir); r.Notes != 1 {
		t.Errorf("Verify = %+v, want a note of the head", r)
	}
	appendAll(t, trail, typical(Accept))
	if r := wantUnbroken(t, dir); r.Lines != 3 || r.Notes != 0 {
		t.Errorf("Verify = %+v, want 3 lines and no notes", r)
	}
}

func TestAHostThatEndsWithinARotationLeavesAnUnbrokenTrail(t *testing.T) {
	dir := t.TempDir()
	trail := open(t, Config{Dir: dir})
	appendAll(t, trail, typical(Accept))
	last := trail.Status().Seq
	closeTrail(t, trail)
	p := wantUnbroken(t, dir).Last
	write(t, filepath.Join(dir, headName), head{Point: p, file: 2}.append(nil)) // told, and not made
	for _, made := range []bool{false, true} {
		if made {
			write(t, filePath(dir, 2), nil) // made, and without its first line
		}
		trail := open(t, Config{Dir: dir})
		appendAll(t, trail, typical(Accept))
		closeTrail(t, trail)
		if r := wantUnbroken(t, dir); r.Notes != 0 || r.Last.Seq <= last {
			t.Errorf("Verify = %+v, want a longer trail and no notes", r)
		}
	}
}

// A line that lacks its end alone was not acknowledged. It must not become one by being closed off.
func TestALineWithoutItsEndIsTorn(t *testing.T) {
	dir := sample(t)
	numbers, err := fileNumbers(dir)
	if err != nil {
		t.Fatal(err)
	}
	last := numbers[len(numbers)-1]
	raw := read(t, dir, last)
	write(t, filePath(dir, last), raw[:len(raw)-1])
	trail := open(t, Config{Dir: dir})
	appendAll(t, trail, typical(Accept))
	closeTrail(t, trail)
	if result, findings := verify(t, dir, Options{}); result.Notes == 0 {
		t.Errorf("Verify = %+v %v, want it to tell of a torn line", result, findings)
	}
}
