// TLS (1.2 or later) over TCP: a client that pins or verifies, and a server.
//
// Trust of a client is one of two, as TMTP writes its addresses:
//   =host:port  the certificate may be self-signed; what counts is its public key, the *pin*: the SHA-256 of
//   the
//               certificate's SubjectPublicKeyInfo (DER). Names and dates in the certificate are not looked
//               at.
//   +host:port  a certificate authority of the system vouches for it, and it names the host (RFC 6125).
// Not one byte of the caller's goes out before the server has passed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/id.h"
#include "base/limits.h"
#include "base/result.h"
#include "base/secret.h"
#include "net/loop.h"

namespace kith::net {

using Pin = Id<struct PinTag, 32>;

// A certificate and its private key, as PEM.
struct TlsIdentity {
    std::string certificate;
    SecretBytes key;
};
// A fresh EC P-256 key and a self-signed certificate for `name`, good for 100 years: with a pin, an expiry
// only breaks things.
Result<TlsIdentity> make_tls_identity(const std::string& name);
// One file holds both, mode 0600. Saving replaces the file in one step.
Result<> save_tls_identity(const TlsIdentity& identity, const std::string& path);
// Fault::not_found when there is no such file.
Result<TlsIdentity> load_tls_identity(const std::string& path);
// From two PEM files: the certificate with the chain behind it, and its key. They may be one file.
Result<TlsIdentity> load_tls_identity(const std::string& certificate, const std::string& key);
Result<Pin> pin_of(const TlsIdentity& identity);
// Whether the certificate names itself as its issuer: nobody else vouches for it.
bool self_signed(const TlsIdentity& identity);

struct TlsConnect {
    enum class Trust { pinned, authorities };
    std::string host;  // a name, or an address without brackets
    std::uint16_t port = 0;
    Trust trust = Trust::pinned;
    std::optional<Pin> pin;        // pinned: the only key to accept; nothing: any, see on_connected
    std::string authorities_file;  // authorities: PEM file used instead of the system's; empty: the system's
    std::int64_t timeout_ms = limits::connect_ms;  // for name, connection and handshake together
};

// A connection to a server. It connects once and does not reconnect.
class TlsClient {
  public:
    struct Events {
        // The server has passed. With Trust::pinned and no expected pin, whether to go on is the callee's to
        // decide.
        std::function<void(const Pin& pin)> on_connected;
        std::function<void(ByteView bytes)> on_data;
        // All that was written has gone to the operating system.
        std::function<void()> on_drained;
        // The end, once, whatever the reason: never connected (unreachable, timed_out; refused for another
        // key or an invalid certificate), closed by the other side or lost (unreachable), or by `close`
        // (cancelled).
        std::function<void(const Error& why)> on_closed;
    };
    // Starts to connect. Events that are not set are skipped.
    TlsClient(Loop& loop, TlsConnect to, Events events);
    // Closes at once and calls nothing back.
    ~TlsClient();

    // Queues `bytes`, also before the connection stands. False: closed, or limits::tls_queue_bytes are
    // waiting already: nothing was taken, and a stream with a hole is best closed. Who writes much looks at
    // `queued` and waits for on_drained.
    bool write(Bytes bytes);
    // Bytes that were written and have not yet gone to the operating system.
    std::size_t queued() const;
    // While paused nothing is read, and the server feels it. Up to limits::tls_read_bytes may still arrive.
    void pause(bool paused);
    // Sends what is queued, then closes; on_closed follows within limits::close_ms.
    void close();

  private:
    struct State;
    std::shared_ptr<State> state_;
};

// One client of a TlsServer. Numbers are never used twice.
enum class TlsSession : std::uint64_t {};

class TlsServer {
  public:
    struct Events {
        std::function<void(TlsSession)> on_open;  // the handshake is done
        std::function<void(TlsSession, ByteView bytes)> on_data;
        std::function<void(TlsSession)> on_drained;
        std::function<void(TlsSession, const Error& why)> on_closed;  // once for each that was opened
        std::function<void(TlsSession)> on_alive;                     // the answer to `probe`
    };
    struct Settings {
        // PEM file: only clients with a certificate that one of these has signed get in. Empty: anybody.
        std::string client_authorities_file;
        std::size_t sessions = limits::tls_sessions;  // handshakes included; more are closed at once
        // Of one address (IPv6: of one /64), how many may be in their handshake.
        std::size_t handshakes_each = limits::tls_sessions;
    };
    // Accepts connections on `host` (a name or an address; "::" is all of IPv6 and IPv4) and `port` (0: any).
    static Result<std::unique_ptr<TlsServer>> listen(Loop& loop, const TlsIdentity& identity,
                                                     const std::string& host, std::uint16_t port,
                                                     Events events, Settings settings);
    static Result<std::unique_ptr<TlsServer>> listen(Loop& loop, const TlsIdentity& identity,
                                                     const std::string& host, std::uint16_t port,
                                                     Events events) {
        return listen(loop, identity, host, port, std::move(events), Settings());
    }
    // Closes all at once and calls nothing back.
    ~TlsServer();

    std::uint16_t port() const;
    const Pin& pin() const;
    // New connections get this identity from now on, and the file of authorities as it is now. After an error
    // all is as it was.
    Result<> use(const TlsIdentity& identity);
    // No new connections from now on.
    void stop_accepting();

    // These do nothing (false, 0, "") for a session that is gone.
    bool write(TlsSession session, Bytes bytes);  // as TlsClient's
    std::size_t queued(TlsSession session) const;
    void pause(TlsSession session, bool paused);
    void close(TlsSession session);              // after what is queued is sent
    std::string peer(TlsSession session) const;  // the client's address, for logs
    // What counts as one client for limits: its address, of IPv6 the first 64 bits.
    std::string source(TlsSession session) const;
    // Has the system ask the other end's, over TCP, without a byte of the stream, whether the connection
    // still stands. If it answers, after a second or more, on_alive follows; if the connection does not exist
    // any more, or for limits::tls_dead_ms nobody answers, on_closed.
    void probe(TlsSession session);

  private:
    struct State;
    explicit TlsServer(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
};

}  // namespace kith::net
