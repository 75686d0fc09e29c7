package main

import (
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/host/internal/config"
	"github.com/gatehouse-mcp/gatehouse/host/internal/health"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func TestSettingsThatMayNotBeMeantAreToldAndWeighLittle(t *testing.T) {
	for _, row := range []struct {
		name      string
		timeout   time.Duration
		enabled   bool
		intrusive config.Intrusive
		want      string // in the message; empty: all is well
	}{
		{"as the tool wishes", 10 * time.Minute, true, config.IntrusiveNo, ""},
		{"a little less time than it wishes", 3 * time.Minute, true, config.IntrusiveNo, ""},
		{"far less time than it wishes", time.Minute, true, config.IntrusiveNo, "1m0s is far below the 10m0s"},
		{"switched off", 10 * time.Minute, false, config.IntrusiveNo, "switched off"},
		{"intrusive", 10 * time.Minute, true, config.IntrusiveYes, "security.allow_intrusive is on"},
		{"intrusive when a person says so", 10 * time.Minute, true, config.IntrusiveAsk, ""},
	} {
		e := &catalog.Entry{
			Spec:     tool.Spec{Name: "T", DefaultTimeout: 10 * time.Minute, Intrusive: true},
			Settings: catalog.Settings{Enabled: row.enabled, DefaultTimeout: row.timeout, MaxTimeout: time.Hour},
		}
		c := toolCheck(e, row.intrusive)
		if c.Priority != health.Informational || (c.Status == health.Healthy) != (row.want == "") ||
			!strings.Contains(c.Message, row.want) || (c.Fix == "") != (row.want == "") {
			t.Errorf("%s: toolCheck = %+v, want a word about %q and what to do", row.name, c, row.want)
		}
	}
}
