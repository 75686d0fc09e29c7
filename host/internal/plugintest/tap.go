package plugintest

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// tap is a connection that counts what crosses it, as it is on the wire.
type tap struct {
	*grpc.ClientConn

	mu      sync.Mutex // guards what follows
	output  [3]int64   // number of the stream in the contract -> bytes
	biggest int        // bytes of the largest message of a stream
}

var _ grpc.ClientConnInterface = (*tap)(nil)

// The streams, by their numbers in the contract.
const (
	stdoutNumber = 1
	stderrNumber = 2
)

// NewStream implements [grpc.ClientConnInterface].
func (t *tap) NewStream(
	ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	s, err := t.ClientConn.NewStream(ctx, desc, method, opts...)
	if err != nil {
		return nil, err
	}
	return &tapped{ClientStream: s, tap: t}, nil
}

// reset begins to count anew.
func (t *tap) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.output, t.biggest = [3]int64{}, 0
}

// counted is how many bytes of each stream have come.
func (t *tap) counted() (stdout, stderr int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.output[stdoutNumber], t.output[stderrNumber]
}

func (t *tap) count(m proto.Message) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.biggest = max(t.biggest, proto.Size(m))
	number, data := outputOf(m.ProtoReflect())
	if number > 0 && number < len(t.output) {
		t.output[number] += int64(len(data))
	}
}

// outputOf reads the chunk of output in a message, by the names of the contract: only package wire knows
// its types.
func outputOf(m protoreflect.Message) (stream int, data []byte) {
	field := m.Descriptor().Fields().ByName("output")
	if field == nil || field.Message() == nil || !m.Has(field) {
		return 0, nil
	}
	out := m.Get(field).Message()
	fields := out.Descriptor().Fields()
	return int(out.Get(fields.ByName("stream")).Enum()), out.Get(fields.ByName("data")).Bytes()
}

type tapped struct {
	grpc.ClientStream
	tap *tap
}

// RecvMsg implements [grpc.ClientStream].
func (t *tapped) RecvMsg(to any) error {
	err := t.ClientStream.RecvMsg(to)
	if m, ok := to.(proto.Message); ok && err == nil {
		t.tap.count(m)
	}
	return err
}
