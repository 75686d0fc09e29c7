package config

import (
	"reflect"
	"slices"
	"testing"
)

func TestWhatWaitsForARestartIsNamedAndKept(t *testing.T) {
	old := Default()
	next := Default()
	next.Server.Port, next.Audit.Sync, next.Plugins.Dirs = 9, "never", []string{"/p"}
	next.Tool.QueueLength, next.Auth.Tokens = 3, []Token{{Name: "a"}}
	next.Security.AllowIntrusive, next.MCP.MaxText, next.Executions.MaxCount = IntrusiveAsk, 5000, 10
	waiting := []string{"server.port", "plugins.dirs", "audit.sync", "executions.max_count"}
	if got := Restart(old, next); !slices.Equal(got, waiting) {
		t.Errorf("Restart = %v, want %v", got, waiting)
	}
	now, got := Keep(old, next)
	if !slices.Equal(got, waiting) {
		t.Errorf("Keep = %v, want %v", got, waiting)
	}
	want := Default()
	want.Tool.QueueLength, want.Auth.Tokens = 3, []Token{{Name: "a"}}
	want.Security.AllowIntrusive, want.MCP.MaxText = IntrusiveAsk, 5000
	if !reflect.DeepEqual(now, want) {
		t.Errorf("Keep = %+v, want %+v", now, want)
	}
	if next.Server.Port != 9 || old.Server.Port != 8080 {
		t.Errorf("Keep changed what it was given: %d, %d", old.Server.Port, next.Server.Port)
	}
}

func TestWhatIsTheSameDoesNotWait(t *testing.T) {
	same := Default()
	same.Plugins.Dirs = []string{} // as a file may say it
	if got := Restart(Default(), same); got != nil {
		t.Errorf("Restart = %v, want nothing", got)
	}
}

func TestTheAuditTrailHasADirectory(t *testing.T) {
	c := Default()
	c.Server.StateDir = "/var/lib/gatehouse"
	if got := c.AuditDir(); got != "/var/lib/gatehouse/audit" {
		t.Errorf("AuditDir = %q, want one in the state directory", got)
	}
	c.Audit.Dir = "/srv/audit"
	if got := c.AuditDir(); got != "/srv/audit" {
		t.Errorf("AuditDir = %q, want the one that was said", got)
	}
}
