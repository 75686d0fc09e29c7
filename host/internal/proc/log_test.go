package proc

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A plugin that prints in a loop must not fill the log, nor drown what others say.
func TestAPluginThatFloodsTheLogIsCutShortAndToldOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := bridge(newSink("noisy", slog.New(slog.NewJSONHandler(&out, nil)))).Named("noisy")
		flood := func(n int) {
			for range n {
				l.Info("again")
				l.Debug("nobody listens to this, and it counts for nothing")
			}
		}
		flood(maxLines)
		time.Sleep(time.Second) // the bubble's clock
		synctest.Wait()
		if n := strings.Count(out.String(), "\n"); n != maxLines {
			t.Errorf("%d of %d lines were logged, want all", n, maxLines)
		}
		out.Reset()
		flood(10 * maxLines)
		time.Sleep(time.Second)
		synctest.Wait()
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if len(lines) != maxLines+1 {
			t.Fatalf("%d lines were logged, want %d and a last word", len(lines), maxLines)
		}
		var last struct {
			Level, Msg, Plugin string
			Lines              int
		}
		if err := json.Unmarshal([]byte(lines[maxLines]), &last); err != nil {
			t.Fatal(err)
		}
		if last.Level != "WARN" || last.Plugin != "noisy" || last.Lines != 9*maxLines {
			t.Errorf("the last line = %+v, want a warning about %d lines of noisy", last, 9*maxLines)
		}
		out.Reset()
		l.Info("calm")
		if !strings.Contains(out.String(), `"msg":"calm","plugin":"noisy","source":"plugin"`) {
			t.Errorf("log = %s, want the plugin heard again", out.String())
		}
	})
}

func TestAPluginThatFloodsTheLogWithLongLinesIsCutShortByTheirBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		s := newSink("noisy", slog.New(slog.NewJSONHandler(&out, nil)))
		l := bridge(s).Named("noisy")
		line := strings.Repeat("x", 16<<10)
		const fit = maxBytes / (32 << 10) // a message and a field of 16 KiB each
		for range fit {
			l.Info(line, "more", line[4:])
		}
		if n := strings.Count(out.String(), "\n"); n != fit {
			t.Errorf("%d of %d lines were logged, want all", n, fit)
		}
		out.Reset()
		l.Info(line)
		s.print("stdout", line) // the same measure, whichever way it takes
		time.Sleep(time.Second) // the bubble's clock
		synctest.Wait()
		var last struct {
			Level        string
			Lines, Bytes int
		}
		if err := json.Unmarshal(out.Bytes(), &last); err != nil {
			t.Fatalf("log = %.80s: %v, want one line", out.String(), err)
		}
		if last.Level != "WARN" || last.Lines != 2 || last.Bytes != 2*len(line) {
			t.Errorf("the last line = %+v, want a warning about 2 lines of %d bytes", last, 2*len(line))
		}
		out.Reset()
		l.Info("calm")
		if !strings.Contains(out.String(), `"msg":"calm"`) {
			t.Errorf("log = %s, want the plugin heard again", out.String())
		}
	})
}

// Nobody can be made deaf by one record larger than a second's measure.
func TestARecordThatIsLargerThanTheMeasureIsLoggedOnce(t *testing.T) {
	var out bytes.Buffer
	l := bridge(newSink("noisy", slog.New(slog.NewJSONHandler(&out, nil)))).Named("noisy")
	l.Info(strings.Repeat("x", 2*maxBytes))
	if strings.Count(out.String(), "\n") != 1 {
		t.Errorf("the log has %d bytes, want the record", out.Len())
	}
}

func TestTheLevelOfAPluginsLogCanChangeWhileItRuns(t *testing.T) {
	var out bytes.Buffer
	var level slog.LevelVar
	handler := slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: &level})
	l := bridge(newSink("nmap", slog.New(handler))).Named("nmap")
	l.Debug("one")
	level.Set(slog.LevelDebug)
	l.Debug("two")
	level.Set(slog.LevelWarn)
	l.Info("three")
	if got := out.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `"msg":"two"`) {
		t.Errorf("log = %s, want the second line only", got)
	}
}

func TestWhatAPluginPrintsIsLoggedLineByLine(t *testing.T) {
	var out bytes.Buffer
	p := &printed{source: "stderr", sink: newSink("lab", slog.New(slog.NewJSONHandler(&out, nil)))}
	for _, piece := range []string{"one\ntw", "o\n\n", strings.Repeat("x", 3*maxPrinted), "\nnever ended"} {
		if n, err := p.Write([]byte(piece)); n != len(piece) || err != nil {
			t.Errorf("Write = %d, %v, want %d", n, err, len(piece))
		}
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		var rec struct{ Msg, Plugin, Source string }
		if err := json.Unmarshal([]byte(line), &rec); err != nil || rec.Plugin != "lab" || rec.Source != "stderr" {
			t.Errorf("line %s: %v, want plugin and source", line, err)
		}
		got = append(got, rec.Msg)
	}
	if want := []string{"one", "two", strings.Repeat("x", maxPrinted)}; !slices.Equal(got, want) {
		t.Errorf("logged %.40q, want %.40q", got, want)
	}
}
