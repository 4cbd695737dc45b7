// Whether a TCP connection still stands, asked without a byte of its stream: the system's keep-alive probes.
#pragma once

#include <cstdint>
#include <optional>

namespace kith::net {

// From now on the system asks the other end each second, and ends the connection when it does not answer.
void begin_tcp_probe(int socket);
void end_tcp_probe(int socket);
// How long ago the other end's system last acknowledged anything. Nothing: this system does not tell.
std::optional<std::int64_t> last_tcp_answer_ms(int socket);

}  // namespace kith::net
