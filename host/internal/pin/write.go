package pin

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Write makes l the lock file of a plugin directory. Who reads at the same time finds the old file or the
// new one, never a part. What Parse would refuse is not written.
func Write(dir string, l Lock) error {
	raw, err := encode(l)
	if err == nil {
		err = replace(filepath.Join(dir, FileName), raw)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Join(dir, FileName), err)
	}
	return nil
}

func encode(l Lock) ([]byte, error) {
	sorted := Lock{Pins: slices.SortedStableFunc(slices.Values(l.Pins), byFile)}
	if err := sorted.check(); err != nil {
		return nil, err
	}
	raw, err := json.Marshal(document{Version: version, Plugins: sorted.Pins}, jsontext.WithIndent("  "))
	if err != nil {
		return nil, fmt.Errorf("put it into JSON: %w", err)
	}
	if raw = append(raw, '\n'); len(raw) > MaxSize {
		return nil, fmt.Errorf("it would have %d bytes; allowed are %d: spread the plugins over more directories",
			len(raw), MaxSize)
	}
	return raw, nil
}

// replace puts a whole file in its place. The name of the temporary one is hidden, so that a scan passes over
// it.
func replace(path string, raw []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+FileName+"-*")
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	if err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
