#include "roster/recovery.h"

#include <algorithm>

#include "crypto/hash.h"
#include "wire/base32.h"

namespace kith::roster {
namespace {

constexpr std::string_view prefix = "KITH-RECOVERY";
constexpr std::string_view prefix_letters = "KITHRECOVERY";
constexpr std::uint8_t sheet_version = 1;
constexpr std::size_t check_size = 4;
constexpr std::size_t body_size = 1 + 32 + PersonHint::size;
constexpr std::size_t letters = ((body_size + check_size) * 8 + 4) / 5;
constexpr std::size_t group = 5;
static_assert(letters % group == 0);

Bytes check_of(ByteView body) {
    const std::uint8_t zero = 0;
    auto sum = crypto::Hasher().add("kith.recovery.check").add({&zero, 1}).add(body).finish();
    return {sum.begin(), sum.begin() + check_size};
}

}  // namespace

crypto::SignKey recovery_key(const Key& seed) {
    return crypto::SignKey(crypto::derive(seed, "kith.recovery.sign"));
}

crypto::SignKey recovery_account_key(const Key& seed, std::uint32_t index) {
    Bytes context;
    append_u32(context, index);
    return crypto::SignKey(crypto::derive(seed, "kith.recovery.account", context));
}

std::vector<SignPublic> recovery_account_keys(const Key& seed) {
    std::vector<SignPublic> keys;
    keys.reserve(recovery_account_key_count);
    for (std::uint32_t i = 0; i < recovery_account_key_count; ++i)
        keys.push_back(recovery_account_key(seed, i).public_key());
    return keys;
}

namespace {

Bytes account_keys_bytes(ByteView keys) {
    Bytes bytes = to_bytes("kith.recovery.accounts");
    bytes.push_back(0);
    append(bytes, keys);
    return bytes;
}

}  // namespace

Bytes signed_account_keys(const Key& seed) {
    Bytes list;
    for (const auto& key : recovery_account_keys(seed)) append(list, key.view());
    const auto proof = recovery_key(seed).sign(account_keys_bytes(list));
    append(list, proof.view());
    return list;
}

std::optional<Bytes> read_account_keys(ByteView list, const SignPublic& recovery) {
    constexpr auto size = recovery_account_key_count * SignPublic::size;
    if (list.size() != size + Signature::size) return std::nullopt;
    const auto keys = list.first(size);
    if (!crypto::verify(recovery, account_keys_bytes(keys), *Signature::from(list.subspan(size))))
        return std::nullopt;
    return to_bytes(keys);
}

PersonHint hint_of(const PersonId& person) {
    return *PersonHint::from(person.view().first(PersonHint::size));
}

SecretBytes encode_sheet(const RecoverySheet& sheet) {
    Bytes bytes{sheet_version};
    bytes.reserve(body_size + check_size);
    append(bytes, sheet.seed.view());
    append(bytes, sheet.person.view());
    append(bytes, check_of(bytes));
    std::string text = wire::to_base32(bytes);
    Bytes out;
    out.reserve(prefix.size() + letters + letters / group);
    append(out, prefix);
    for (std::size_t i = 0; i < text.size(); i += group) {
        out.push_back('-');
        append(out, std::string_view(text).substr(i, group));
    }
    wipe(bytes);
    wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
    return SecretBytes(std::move(out));
}

Result<RecoverySheet> decode_sheet(std::string_view text) {
    std::string squeezed = wire::typed_base32(text, prefix_letters.size() + letters + 64);
    if (squeezed.starts_with("KITH:"))
        return fail(Fault::invalid, "this is an offer, not a recovery sheet",
                    "take the sheet that was written down at `kith init`");
    if (!squeezed.starts_with(prefix_letters))
        return fail(Fault::invalid, "this is not a recovery sheet", "it begins with " + std::string(prefix));
    const auto code = std::string_view(squeezed).substr(prefix_letters.size());
    auto wrong = [&](const char* what) {
        return fail(Fault::invalid, what, "compare it with the sheet, letter by letter");
    };
    if (code.size() < letters) return wrong("the recovery sheet's text is too short");
    if (code.size() > letters) return wrong("the recovery sheet's text is too long");
    auto decoded = wire::from_base32(code);
    wipe({reinterpret_cast<std::uint8_t*>(squeezed.data()), squeezed.size()});
    if (!decoded) return wrong("the recovery sheet's text has a typing mistake");
    const SecretBytes bytes(std::move(*decoded));
    const auto body = bytes.view().first(body_size);
    if (check_of(body) != to_bytes(bytes.view().subspan(body_size)))
        return wrong("the recovery sheet's text has a typing mistake");
    if (body[0] != sheet_version)
        return fail(Fault::invalid, "this recovery sheet is of a newer version of kith", "update kith");
    return RecoverySheet{Key(body.subspan<1, 32>()), *PersonHint::from(body.subspan(33))};
}

}  // namespace kith::roster
