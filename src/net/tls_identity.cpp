#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "net/tls.h"
#include "net/tls_pin.h"

namespace kith::net {

namespace {

template <auto free>
struct Free {
    template <class T>
    void operator()(T* what) const {
        free(what);
    }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using CertificatePtr = std::unique_ptr<X509, Free<X509_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Free<X509_EXTENSION_free>>;
using BioPtr = std::unique_ptr<BIO, Free<BIO_free_all>>;

constexpr long lifetime_days = 100 * 365;
// A file of ours is a few KiB; more is another kind of file.
constexpr std::size_t largest_file = 256 * 1024;

bool extend(X509* certificate, int nid, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
    ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
    return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

// Fills in everything but the alternative name, which does not hold every name that a person may choose.
bool fill(X509* certificate, EVP_PKEY* key, const std::string& name) {
    BIGNUM* number = BN_new();
    const bool serial_set = number != nullptr && BN_rand(number, 127, BN_RAND_TOP_ANY, 0) == 1 &&
                            BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr;
    BN_free(number);
    auto* subject = X509_get_subject_name(certificate);
    return serial_set && X509_set_version(certificate, X509_VERSION_3) == 1 &&
           // Clocks differ: valid from yesterday.
           X509_gmtime_adj(X509_getm_notBefore(certificate), -24 * 3600) != nullptr &&
           X509_time_adj_ex(X509_getm_notAfter(certificate), lifetime_days, 0, nullptr) != nullptr &&
           X509_set_pubkey(certificate, key) == 1 &&
           X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
                                      reinterpret_cast<const unsigned char*>(name.data()),
                                      static_cast<int>(name.size()), -1, 0) == 1 &&
           X509_set_issuer_name(certificate, subject) == 1 &&
           extend(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
           extend(certificate, NID_ext_key_usage, "serverAuth");
}

bool is_host_name(const std::string& name) {
    return !name.empty() &&
           name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") ==
               std::string::npos;
}

bool is_address(const std::string& name) {
    ASN1_OCTET_STRING* address = a2i_IPADDRESS(name.c_str());
    ASN1_OCTET_STRING_free(address);
    return address != nullptr;
}

Bytes contents(BIO* memory) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(memory, &data);
    return to_bytes(std::string_view(data, static_cast<std::size_t>(size)));
}

auto broken(const std::string& what) {
    return fail(Fault::corrupt, what, "restore the file, or remove it to have a new identity made");
}

}  // namespace

std::optional<Pin> pin_of(X509* certificate) {
    std::uint8_t* der = nullptr;
    const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    if (size <= 0) return std::nullopt;
    Pin pin;
    const bool hashed = EVP_Digest(der, static_cast<std::size_t>(size), pin.bytes.data(), nullptr,
                                   EVP_sha256(), nullptr) == 1;
    OPENSSL_free(der);
    return hashed ? std::optional(pin) : std::nullopt;
}

Result<Pin> pin_of(const TlsIdentity& identity) {
    BioPtr text(BIO_new_mem_buf(identity.certificate.data(), static_cast<int>(identity.certificate.size())));
    CertificatePtr certificate(text ? PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr) : nullptr);
    auto pin = certificate ? pin_of(certificate.get()) : std::nullopt;
    if (!pin) return broken("the TLS certificate cannot be read");
    return *pin;
}

Result<TlsIdentity> make_tls_identity(const std::string& name) {
    // 64: the upper bound of a common name (RFC 5280, appendix A).
    if (name.empty() || name.size() > 64)
        return fail(Fault::invalid, "a certificate's name has 1 to 64 bytes", "choose a shorter name");
    KeyPtr key(EVP_EC_gen("P-256"));
    CertificatePtr certificate(X509_new());
    BioPtr certificate_text(BIO_new(BIO_s_mem())), key_text(BIO_new(BIO_s_secmem()));
    bool made =
        key && certificate && certificate_text && key_text && fill(certificate.get(), key.get(), name);
    if (made && is_address(name))
        made = extend(certificate.get(), NID_subject_alt_name, "IP:" + name);
    else if (made && is_host_name(name))
        made = extend(certificate.get(), NID_subject_alt_name, "DNS:" + name);
    made = made && X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0 &&
           PEM_write_bio_X509(certificate_text.get(), certificate.get()) == 1 &&
           PEM_write_bio_PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1;
    if (!made) return fail(Fault::io, "cannot make a TLS key and certificate", "check the system's OpenSSL");
    const auto certificate_pem = contents(certificate_text.get());
    return TlsIdentity{std::string(as_text(certificate_pem)), SecretBytes(contents(key_text.get()))};
}

Result<> save_tls_identity(const TlsIdentity& identity, const std::string& path) {
    const auto draft = path + ".new";
    auto refused = [&] {
        const std::string why = std::strerror(errno);
        unlink(draft.c_str());
        return fail(Fault::io, "cannot write " + path + ": " + why,
                    "check that the folder exists and is yours");
    };
    unlink(draft.c_str());
    const int fd = open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return refused();
    auto put = [fd](ByteView bytes) {
        while (!bytes.empty()) {
            const auto size = ::write(fd, bytes.data(), bytes.size());
            if (size < 0 && errno == EINTR) continue;
            if (size <= 0) return false;
            bytes = bytes.subspan(static_cast<std::size_t>(size));
        }
        return true;
    };
    const bool written = put(as_bytes(identity.certificate)) && put(identity.key.view()) && fsync(fd) == 0;
    if (close(fd) != 0 || !written || std::rename(draft.c_str(), path.c_str()) != 0) return refused();
    return {};
}

namespace {

// A whole file, with nothing of it left in freed memory: filled in place and never grown.
Result<SecretBytes> read_pem(const std::string& path) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return fail(errno == ENOENT ? Fault::not_found : Fault::io,
                    "cannot read " + path + ": " + std::strerror(errno));
    }
    Bytes file(largest_file + 1);
    std::size_t size = 0;
    for (ssize_t got = 1; got > 0 && size < file.size();) {
        got = ::read(fd, file.data() + size, file.size() - size);
        if (got > 0) size += static_cast<std::size_t>(got);
    }
    ::close(fd);
    SecretBytes all(std::move(file));
    if (size > largest_file) return broken(path + " holds no TLS certificate and key");
    return SecretBytes(all.view().first(size));
}

bool belong_together(const TlsIdentity& identity) {
    BioPtr key_text(BIO_new_mem_buf(identity.key.view().data(), static_cast<int>(identity.key.size())));
    KeyPtr key(key_text ? PEM_read_bio_PrivateKey(key_text.get(), nullptr, nullptr, nullptr) : nullptr);
    BioPtr certificate_text(
        BIO_new_mem_buf(identity.certificate.data(), static_cast<int>(identity.certificate.size())));
    CertificatePtr certificate(
        certificate_text ? PEM_read_bio_X509(certificate_text.get(), nullptr, nullptr, nullptr) : nullptr);
    return key && certificate && X509_check_private_key(certificate.get(), key.get()) == 1;
}

}  // namespace

bool self_signed(const TlsIdentity& identity) {
    BioPtr text(BIO_new_mem_buf(identity.certificate.data(), static_cast<int>(identity.certificate.size())));
    CertificatePtr certificate(text ? PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr) : nullptr);
    return certificate && X509_NAME_cmp(X509_get_subject_name(certificate.get()),
                                        X509_get_issuer_name(certificate.get())) == 0;
}

Result<TlsIdentity> load_tls_identity(const std::string& path) {
    KITH_TRY_VALUE(file, read_pem(path));
    const auto text = as_text(file.view());
    const std::string_view end_mark = "-----END CERTIFICATE-----\n";
    const auto end = text.rfind(end_mark);
    if (end == std::string_view::npos) return broken(path + " holds no TLS certificate and key");
    TlsIdentity identity{std::string(text.substr(0, end + end_mark.size())),
                         SecretBytes(as_bytes(text.substr(end + end_mark.size())))};
    if (!belong_together(identity)) return broken(path + " holds no TLS certificate with its key");
    return identity;
}

Result<TlsIdentity> load_tls_identity(const std::string& certificate, const std::string& key) {
    KITH_TRY_VALUE(chain, read_pem(certificate));
    KITH_TRY_VALUE(secret, read_pem(key));
    // Of one file for both, what is told to clients must not hold the key.
    std::string text;
    const std::string_view begin = "-----BEGIN CERTIFICATE-----", end = "-----END CERTIFICATE-----";
    const auto all = as_text(chain.view());
    for (std::size_t at = all.find(begin); at != std::string_view::npos; at = all.find(begin, at)) {
        const auto stop = all.find(end, at);
        if (stop == std::string_view::npos) break;
        text += std::string(all.substr(at, stop + end.size() - at)) + "\n";
        at = stop;
    }
    TlsIdentity identity{std::move(text), std::move(secret)};
    if (!belong_together(identity))
        return fail(Fault::invalid, certificate + " and " + key + " hold no TLS certificate with its key",
                    "give the PEM files of a certificate and of its private key");
    return identity;
}

}  // namespace kith::net
