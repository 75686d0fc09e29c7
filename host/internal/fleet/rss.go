package fleet

import (
	"context"
	"time"

	gopsutil "github.com/shirou/gopsutil/v4/process"
)

// residentMemory is how many bytes of memory a process holds.
func residentMemory(pid int) (int64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second) // it belongs to no request
	defer cancel()
	p := &gopsutil.Process{Pid: int32(pid)}
	info, err := p.MemoryInfoWithContext(ctx)
	if err != nil {
		return 0, err
	}
	return int64(info.RSS), nil
}
