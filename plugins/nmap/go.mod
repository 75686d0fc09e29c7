module github.com/gatehouse-mcp/gatehouse/plugins/nmap

go 1.26

require (
	github.com/gatehouse-mcp/gatehouse/sdk v0.0.0
	github.com/gatehouse-mcp/gatehouse/shared v0.0.0 // indirect
)

replace (
	github.com/gatehouse-mcp/gatehouse/sdk => ../../sdk
	github.com/gatehouse-mcp/gatehouse/shared => ../../shared
)
