module github.com/gatehouse-mcp/gatehouse/tools/reference

go 1.26.0
