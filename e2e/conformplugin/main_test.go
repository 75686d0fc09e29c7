package main

import (
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

func TestTheFixturesAreGoodPlugins(t *testing.T) {
	sdktest.Conformance(t, fixture())
	sdktest.Conformance(t, spare())
}
