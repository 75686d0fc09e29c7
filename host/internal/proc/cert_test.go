package proc

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/shared/wire"
)

// pluginSide is the plugin's half of go-plugin's AutoMTLS: its own certificate, and trust in the host's
// alone.
func pluginSide(t *testing.T, hosts string) (*tls.Config, *x509.CertPool) {
	t.Helper()
	cert, err := wire.NewCertificate()
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	own, trusted := x509.NewCertPool(), x509.NewCertPool()
	own.AddCert(leaf)
	if !trusted.AppendCertsFromPEM([]byte(hosts)) {
		t.Fatalf("not a certificate: %q", hosts)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: trusted,
		MinVersion: tls.VersionTLS12,
	}, own
}

// greet joins the two sides and gives what each says.
func greet(host, plugin *tls.Config) (hostSays, pluginSays error) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	said := make(chan error)
	go func() {
		conn := tls.Server(b, plugin)
		err := conn.Handshake()
		if err != nil {
			_ = b.Close() // the other side shall not wait
		}
		said <- err
	}()
	hostSays = tls.Client(a, host).Handshake()
	_ = a.Close() // the other side shall not wait
	return hostSays, <-said
}

func TestAHostAndAPluginTrustEachOtherAndNobodyElse(t *testing.T) {
	host, certificate, err := hostSide()
	if err != nil {
		t.Fatalf("hostSide() = %v", err)
	}
	plugin, own := pluginSide(t, certificate)
	if err, _ := greet(host, plugin); err == nil {
		t.Error("the host trusts a plugin before its certificate has come")
	}
	host.RootCAs = own // as go-plugin does, with the certificate of the handshake
	if hostSays, pluginSays := greet(host, plugin); hostSays != nil || pluginSays != nil {
		t.Errorf("the handshake = %v, %v, want success", hostSays, pluginSays)
	}
	another, _, err := hostSide()
	if err != nil {
		t.Fatalf("hostSide() = %v", err)
	}
	another.RootCAs = own
	if _, err := greet(another, plugin); err == nil {
		t.Error("the plugin takes another host, or one that started another plugin")
	}
	bare := &tls.Config{RootCAs: own, ServerName: wire.CertificateName, MinVersion: tls.VersionTLS12}
	if _, err := greet(bare, plugin); err == nil {
		t.Error("the plugin takes a host without a certificate")
	}
}
