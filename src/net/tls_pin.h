// The pin of a certificate that OpenSSL holds.
#pragma once

#include <openssl/x509.h>

#include <optional>

#include "net/tls.h"

namespace kith::net {

std::optional<Pin> pin_of(X509* certificate);

}  // namespace kith::net
