package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec that is wrapped
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/gatehouse-mcp/gatehouse/shared/wire"
)

// serve opens the socket, shakes hands, and serves until the host asks for the end, or is gone.
func serve(version string) error {
	secure, certificate, err := certificates()
	if err != nil {
		return err
	}
	socket := filepath.Join(os.Getenv("PLUGIN_UNIX_SOCKET_DIR"), "socket")
	l, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	p := newPlugin()
	server := newServer(p, secure)
	if sin == "handshake" {
		fmt.Println("hello")
	}
	fmt.Printf("1|%s|unix|%s|grpc|%s\n", version, socket, certificate)
	go func() {
		lifeline()
		p.end()
	}()
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-p.ending.Done():
	}
	p.calls.Wait()
	server.Stop()
	return nil
}

func newServer(p *plugin, secure *tls.Config) *grpc.Server {
	options := append(wire.ServerOptions(), grpc.Creds(credentials.NewTLS(secure)))
	switch sin {
	case "unknown-fields":
		options = append(options, grpc.UnaryInterceptor(strict))
	case "utf8":
		options = append(options, grpc.ForceServerCodecV2(garbling{encoding.GetCodecV2("proto")}))
	}
	s := grpc.NewServer(options...)
	wire.Register(s, p)
	serving := healthpb.HealthCheckResponse_SERVING
	if sin == "health" {
		serving = healthpb.HealthCheckResponse_NOT_SERVING
	}
	checks := health.NewServer()
	checks.SetServingStatus(wire.PluginName, serving)
	healthpb.RegisterHealthServer(s, checks)
	s.RegisterService(controller(p), struct{}{})
	return s
}

// controller is the service by which the host asks for the end.
func controller(p *plugin) *grpc.ServiceDesc {
	shutdown := func(_ any, _ context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		if err := dec(new(emptypb.Empty)); err != nil {
			return nil, err
		}
		if sin != "shutdown" {
			p.end()
		}
		return new(emptypb.Empty), nil
	}
	return &grpc.ServiceDesc{
		ServiceName: "plugin.GRPCController", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Shutdown", Handler: shutdown}},
	}
}

// strict refuses messages with fields that it does not know.
func strict(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if m, ok := req.(proto.Message); ok && len(m.ProtoReflect().GetUnknown()) > 0 {
		return nil, status.Error(codes.InvalidArgument, "there is a field that I do not know")
	}
	return next(ctx, req)
}

// garbled stands in an error for bytes that are no UTF-8, and has as many bytes.
const garbled = "@@@"

// garbling is the codec of a language that does not look at what it sends.
type garbling struct{ encoding.CodecV2 }

func (g garbling) Marshal(v any) (mem.BufferSlice, error) {
	out, err := g.CodecV2.Marshal(v)
	if err != nil {
		return nil, err
	}
	raw := bytes.ReplaceAll(out.Materialize(), []byte(garbled), []byte("\xff\xfe\xff"))
	return mem.BufferSlice{mem.SliceBuffer(raw)}, nil
}

// certificates makes the plugin's own, and demands the host's.
func certificates() (*tls.Config, string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, "", err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, "", err
	}
	hosts := x509.NewCertPool()
	if !hosts.AppendCertsFromPEM([]byte(os.Getenv("PLUGIN_CLIENT_CERT"))) {
		return nil, "", errors.New("the host's certificate cannot be read")
	}
	config := &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: hosts, MinVersion: tls.VersionTLS12,
	}
	switch sin {
	case "mutual-tls":
		config.ClientAuth = tls.NoClientCert
	case "any-certificate":
		config.ClientAuth = tls.RequireAnyClientCert
	}
	return config, base64.RawStdEncoding.EncodeToString(der), nil
}
