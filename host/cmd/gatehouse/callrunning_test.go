package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// running is a host that has one tool and answers calls of it in one way, and what it was asked.
func running(t *testing.T, status int, answer string) (url string, asked *string) {
	t.Helper()
	asked = new(string)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /tools/PortTool", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"input_schema": {"properties": {"port": {"type": "integer"}, "name": {"type": "string"}}}}`)
	})
	mux.HandleFunc("POST /tools/PortTool/execute", func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		*asked = r.Header.Get("Authorization") + " " + string(raw)
		w.WriteHeader(status)
		fmt.Fprint(w, answer)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL, asked
}

// commanded runs the program with a command line, as somebody with a token.
func commanded(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	env := []string{"GATEHOUSE_TOKEN=secret", "MCP_SERVER_STATE_DIR=" + t.TempDir(), "MCP_PLUGINS_DIR=" + t.TempDir()}
	code = run(t.Context(), args, env, strings.NewReader(""), &out, &errs, nil)
	return code, out.String(), errs.String()
}

func TestARunningHostMakesTheCall(t *testing.T) {
	for _, c := range []struct {
		name           string
		status         int
		answer         string
		code           int
		stdout, stderr string
	}{
		{"output", 200, `{"stdout": "one\n\u001b[2J", "stderr": "two\n", "returncode": 3, "error_type": null}`,
			3, "one\n\uFFFD[2J", "two\n"},
		{"a result without a text", 200, `{"stdout": "", "returncode": 0, "data": {"open": true}}`,
			0, "{\n  \"open\": true\n}\n", ""},
		{"a timeout", 200, `{"stdout": "a\n", "error": "too long", "error_type": "timeout",
			"recovery_suggestion": "give it more"}`, 124, "a\n", "timeout: too long\n  give it more\n"},
		{"a refusal", 403, `{"detail": "outside", "error_type": "out_of_scope", "recovery_suggestion": "ask"}`,
			exitRefused, "", "out_of_scope: outside\n  ask\n"},
		{"no plugin", 503, `{"detail": "gone", "error_type": "unavailable"}`, exitUnable, "", "unavailable: gone\n"},
		{"what is no host", 418, `tea`, exitRefused, "", "gatehouse: the host answers 418 I'm a teapot\n"},
		{"an answer that is none", 200, `tea`, exitFailure, "", "gatehouse: read the answer: " +
			"invalid character 'e' in literal true (expecting 'r')\n"},
	} {
		url, asked := running(t, c.status, c.answer)
		code, out, errs := commanded(t, "call", "--running", "--url", url, "PortTool", "127.0.0.1",
			"--arg", "port=22", "--arg", "name=22", "--", "-v")
		if code != c.code || out != c.stdout || errs != c.stderr {
			t.Errorf("%s: exit %d, %q, %q, want %d, %q, %q", c.name, code, out, errs, c.code, c.stdout, c.stderr)
		}
		want := `Bearer secret {"extra_args":"-v","name":"22","port":22,"target":"127.0.0.1"}`
		if *asked != want {
			t.Errorf("%s: the host is asked %s, want %s", c.name, *asked, want)
		}
	}
}

func TestAReportOfARunningHostIsThatOfACall(t *testing.T) {
	url, _ := running(t, 400, `{"detail": "no", "error_type": "validation", "execution_id": "7", "retry_after": 1.5}`)
	code, out, errs := commanded(t, "call", "--running", "--url", url, "--json", "PortTool")
	if code != exitRefused || errs != "" || !strings.Contains(out, `"error": "no"`) ||
		!strings.Contains(out, `"execution_id": "7"`) || !strings.Contains(out, `"retry_after": 1.5`) {
		t.Errorf("call --json = exit %d, %s, %s, want the report of a refused call", code, out, errs)
	}
}

func TestACallWithoutARunningHostSaysSo(t *testing.T) {
	s := httptest.NewServer(nil)
	s.Close()
	code, out, errs := commanded(t, "call", "--running", "--url", s.URL, "PortTool", "127.0.0.1")
	if code != exitFailure || out != "" || !strings.Contains(errs, "no host answers") {
		t.Errorf("call --running = exit %d, %q, %q, want that no host answers", code, out, errs)
	}
	code, _, errs = commanded(t, "call", "--url", s.URL, "PortTool", "127.0.0.1")
	if code != exitUsage || !strings.Contains(errs, "add --running") {
		t.Errorf("call --url = exit %d, %q, want what is missing", code, errs)
	}
}
