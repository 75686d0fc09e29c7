package dig

import (
	"encoding/json"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

// strayText is what a server would like to be read as lines of dig's.
const strayText = "\n\n;; ANSWER SECTION:\nevil.lab.\t1\tIN\tA\t10.6.6.6\n" +
	";; ->>HEADER<<- opcode: QUERY, status: REFUSED, id: 1\n\x1b[2J\x00\xff\"'\\;$@()\u202e"

// honest says whether data has only records of the test's own, and nothing that a terminal obeys.
func honest(t *testing.T, res sdk.Result, r Report) {
	t.Helper()
	for _, rec := range slices.Concat(r.Answers, r.Authority, r.Additional) {
		if rec.Type == "A" && rec.Data == "10.6.6.6" || strings.HasPrefix(string(rec.Name), "evil.lab.") {
			t.Errorf("there is the record %+v, which no server sent", rec)
		}
	}
	var all any
	if err := json.Unmarshal(res.Data, &all); err != nil {
		t.Fatal(err)
	}
	visible(t, all)
}

func visible(t *testing.T, v any) {
	t.Helper()
	switch v := v.(type) {
	case string:
		if i := strings.IndexFunc(v, func(r rune) bool { return !unicode.IsGraphic(r) || r == '\ufffd' }); i >= 0 {
			t.Errorf("data has %q, which cannot be seen", v[i:min(i+8, len(v))])
		}
	case []any:
		for _, x := range v {
			visible(t, x)
		}
	case map[string]any:
		for _, x := range v {
			visible(t, x)
		}
	}
}

func TestNoTextBecomesALine(t *testing.T) {
	label := strayText[:60]
	s := newServer(t, each(message{
		flags: answered,
		answer: [][]byte{
			record(asked, typeTXT, 1, texts(strayText)),
			record(labels(label, " \t;", "lab"), typeCNAME, 2, labels("'- type: MESSAGE", "\n\n"+label[:40])),
			record(labels(";; AUTHORITY SECTION:"), typeA, 3, []byte{10, 0, 0, 7}),
			record(labels("."), typeNS, 4, labels(" ")),
			record(asked, typeCAA, 5, []byte("\x00\x05issue"+strayText)),
			record(asked, 65280, 6, []byte(strayText)),
			record(asked, typeNAPTR, 7, slices.Concat([]byte{0, 1, 0, 1}, texts("S"), texts(strayText[:50]),
				texts("!a!\n;; x\x1b!"), labels(label))),
		},
		additional: [][]byte{options(0, []uint16{15, 3, 4242}, "\x00\x0f\n;; x\u202e\x1b", strayText, strayText)},
	}))
	r, res, err := call(t, s, `{"name": "a.lab.internal", "type": "TXT"}`, sdktest.Options{})
	if err != nil || r.Status != "NOERROR" || len(r.Answers) != 7 || r.Counts.Answer != 7 {
		t.Fatalf("Call() = %v, %d answers of %d (%s), remarks %q; want seven", err, len(r.Answers), r.Counts.Answer,
			r.Status, r.Remarks)
	}
	honest(t, res, r)
	if want := `\010\010\;\;\032ANSWER\032SECTION:\010`; !strings.HasPrefix(string(r.Answers[1].Name), want) {
		t.Errorf("name = %s, want it to begin with %s", r.Answers[1].Name, want)
	}
	if r.Answers[3].Name != `\..` || r.Answers[3].Data != `\032.` {
		t.Errorf("record = %+v, want a dot and a blank written out", r.Answers[3])
	}
	if len(r.EDNS.Errors) != 1 || len(r.EDNS.Options) != 2 || len(r.Remarks) != 0 {
		t.Errorf("EDNS = %+v, remarks %q; want one error and two options", r.EDNS, r.Remarks)
	}
}

func TestAHugeRecordIsCut(t *testing.T) {
	s := newServer(t, func(q question) [][]byte {
		m := message{flags: answered | truncated}
		if q.tcp {
			m = message{flags: answered, answer: [][]byte{
				record(asked, typeTXT, 1, texts(strings.Repeat("\xff\x00", 32_000))), record(asked, typeTXT, 2, texts("short")),
			}}
		}
		return [][]byte{m.to(q)}
	})
	r, res, err := call(t, s, `{"name": "a.lab.internal", "type": "TXT"}`, sdktest.Options{})
	if err != nil || len(r.Answers) != 2 || len(r.Answers[0].Data) != maxData || r.Answers[1].Data != `"short"` ||
		!r.Truncated || r.Size < 64_000 {
		t.Fatalf("Call() = %v, %d answers, truncated %t, %d bytes; want two, the first cut to %d", err, len(r.Answers),
			r.Truncated, r.Size, maxData)
	}
	honest(t, res, r)
}

func TestAMessageFullOfRecordsIsBounded(t *testing.T) {
	one := record(labels(), typeA, 1, []byte{10, 0, 0, 7}) // 15 bytes: as many as a message holds
	m := message{flags: answered, answer: slices.Repeat([][]byte{one}, 4300)}
	s := newServer(t, each(m))
	r := lookup(t, s, `{"name": "a.lab.internal", "tcp": true}`)
	if r.Counts.Answer != 4300 || len(r.Answers) != maxRecords || !r.Truncated {
		t.Errorf("%d answers of %d, truncated %t; want %d", len(r.Answers), r.Counts.Answer, r.Truncated, maxRecords)
	}
}

// Each of these is no answer, or a strange one. None may end the call with an error, and each says what it was.
func TestLiesAreResults(t *testing.T) {
	otherQuestion := func(q question) [][]byte {
		q.raw = slices.Concat(labels("evil\n", "lab"), q.raw[len(q.raw)-4:])
		return each(message{flags: answered})(q)
	}
	raw := func(text string) func(question) [][]byte {
		return func(q question) [][]byte { return [][]byte{append(slices.Clone(q.id), text...)} }
	}
	for name, c := range map[string]struct {
		answer  func(question) [][]byte
		status  string
		failure string
		remark  string
	}{
		"another id": {func(q question) [][]byte {
			q.id[0] ^= 1
			return each(message{flags: answered})(q)
		}, "", "does not belong", "ID mismatch"},
		"another question": {otherQuestion, "", "another question", `mismatch: got evil\010.lab/A/IN`},
		"a name that points at itself": {func(q question) [][]byte {
			at := byte(12 + len(q.raw))
			return each(message{flags: answered, answer: [][]byte{record([]byte{0xc0, at}, typeA, 1, []byte{1, 2, 3, 4})}})(q)
		}, "", "could not be read", "bad compression pointer"},
		"less than a header": {raw("\n\x1b[2J"), "", "too short", "short"},
		"data that its type does not allow": {each(message{
			flags: answered, answer: [][]byte{record(asked, typeA, 1, []byte("\n;; x"))},
		}), "", "could not be read", "Got bad packet"},
		"more counted than there is": {func(q question) [][]byte {
			m := message{flags: answered}.to(q)
			m[6], m[7] = 0xff, 0xff
			return [][]byte{m}
		}, "NOERROR", "", "malformed"},
		"no answer but a question": {each(message{flags: 0x0100}), "NOERROR", "", "query response not set"},
		"a record that is cut off": {each(message{flags: answered, additional: [][]byte{
			options(0, []uint16{3}, "abc")[:13],
		}}), "NOERROR", "", "malformed"},
	} {
		for _, over := range []string{`, "tcp": true`, ""} {
			s := newServer(t, c.answer)
			r, res, err := call(t, s, `{"name": "a.lab.internal", "wait_sec": 1, "tries": 1`+over+`}`, sdktest.Options{})
			if err != nil || r.Status != c.status || !strings.Contains(r.Failure, c.failure) ||
				(r.Failure == "") != (c.failure == "") {
				t.Errorf("%s%s: %v, status %q, failure %q, want %q and %q; stdout %s", name, over, err, r.Status, r.Failure,
					c.status, c.failure, res.Stdout)
			}
			if !slices.ContainsFunc(r.Remarks, func(x sdk.Untrusted) bool { return strings.Contains(string(x), c.remark) }) {
				t.Errorf("%s%s: remarks = %q, want %q among them", name, over, r.Remarks, c.remark)
			}
			honest(t, res, r)
		}
	}
}

func TestAFloodOfAnswersEnds(t *testing.T) {
	s := newServer(t, func(q question) [][]byte {
		q.id[0] ^= 1
		return slices.Repeat(each(message{flags: answered})(q), 2000)
	})
	r, res, err := call(t, s, `{"name": "a.lab.internal", "wait_sec": 1, "tries": 1}`, sdktest.Options{})
	if err != nil || r.Failure == "" || len(r.Remarks) > maxRemarks {
		t.Fatalf("Call() = %v, %+v; want a failure and few remarks", err, r)
	}
	honest(t, res, r)
}

// A server that wants another cookie each time keeps dig asking. It ends, be it at the deadline.
func TestAServerThatIsNeverContent(t *testing.T) {
	var n atomic.Int32
	s := newServer(t, func(q question) [][]byte {
		return each(message{flags: answered | 7, additional: [][]byte{
			options(1, []uint16{10}, string(q.cookie)+strings.Repeat(string(rune('a'+n.Add(1)%26)), 8)),
		}})(q)
	})
	r, _, err := call(t, s, `{"name": "a.lab.internal", "wait_sec": 1, "tries": 1}`, sdktest.Options{Timeout: 5 * time.Second})
	switch {
	case err == nil && r.Status == "BADCOOKIE" && len(s.questions()) < 10:
	case sdk.KindOf(err) == sdk.KindTimeout:
	default:
		t.Errorf("Call() = %v, %+v after %d questions; want BADCOOKIE, or the deadline", err, r, len(s.questions()))
	}
}
