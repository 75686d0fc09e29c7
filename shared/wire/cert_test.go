package wire

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

func TestTheHandshakeGetsTheCertificateOnce(t *testing.T) {
	in := "printed before\n1|1|unix|/run/x.sock|grpc|\n1|1|unix|/run/x.sock|grpc|\nprinted after"
	want := "printed before\n1|1|unix|/run/x.sock|grpc|AQID\n1|1|unix|/run/x.sock|grpc|\nprinted after"
	for given, wanted := range map[string]string{
		in:                                     want,
		"1|1|unix|/run/x.sock|grpc||true\n":    "1|1|unix|/run/x.sock|grpc|AQID|true\n", // multiplexed
		"1|1|unix|/run/x.sock|grpc|c2VjcmV0\n": "1|1|unix|/run/x.sock|grpc|c2VjcmV0\n",  // go-plugin's own
	} {
		var out bytes.Buffer
		announce(&out, strings.NewReader(given), []byte{1, 2, 3})
		if out.String() != wanted {
			t.Errorf("announce(%q) = %q, want %q", given, &out, wanted)
		}
	}
}

// shake lets a client with these certificates meet a plugin that trusts a host.
func shake(t *testing.T, plugin *tls.Config, certificates ...tls.Certificate) error {
	t.Helper()
	trusted := x509.NewCertPool()
	leaf, err := x509.ParseCertificate(plugin.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	trusted.AddCert(leaf)
	a, b := net.Pipe()
	defer a.Close()
	served := make(chan error, 1)
	go func() {
		server := tls.Server(b, plugin)
		_, err := server.Write([]byte("hello"))
		_ = b.Close()
		served <- err
	}()
	client := tls.Client(a, &tls.Config{RootCAs: trusted, ServerName: CertificateName, Certificates: certificates})
	_, reading := io.ReadAll(client)
	_ = a.Close()
	if err := <-served; err != nil {
		return err
	}
	if reading == io.ErrUnexpectedEOF { // the pipe was closed without TLS's own end
		return nil
	}
	return reading
}

func TestAPluginServesItsHostAlone(t *testing.T) {
	host, err := NewCertificate()
	if err != nil {
		t.Fatal(err)
	}
	plugin, err := pluginSide(pemOf(host.Certificate[0]))
	if err != nil {
		t.Fatal(err)
	}
	if err := shake(t, plugin, host); err != nil {
		t.Errorf("the host is turned away: %v", err)
	}
	if err := shake(t, plugin); err == nil {
		t.Error("somebody without a certificate is served")
	}
	if err := shake(t, plugin, plugin.Certificates[0]); err == nil {
		t.Error("somebody with another certificate is served")
	}
	if _, err := pluginSide([]byte("garbage")); err == nil {
		t.Error("garbage is taken for the host's certificate")
	}
}

func pemOf(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// collect collects garbage, and returns when its cleanups have begun to run.
func collect() {
	ran := make(chan struct{})
	func() { runtime.AddCleanup(&struct{ in [64]byte }{}, func(c chan struct{}) { close(c) }, ran) }()
	runtime.GC()
	<-ran
}

func TestTheStandardOutputStaysOpenWhenGoPluginHasReplacedIt(t *testing.T) {
	host, err := NewCertificate()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(envClientCert, string(pemOf(host.Certificate[0])))
	r, w, err := os.Pipe() // stands for the process's own
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	own := os.Stdout
	defer func() { os.Stdout = own }()
	os.Stdout = w
	fd := int(w.Fd())
	if _, err := announceOwn(); err != nil {
		t.Fatal(err)
	}
	os.Stdout = own // as go-plugin exchanges it
	for range 8 {
		collect()
	}
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		t.Errorf("the standard output after garbage was collected: %v, want it open", err)
	}
}
