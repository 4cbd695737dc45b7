#include "cli/select_options.h"

#include <CLI/CLI.hpp>
#include <charconv>

namespace kith::cli {
namespace {

// "500k", "2M", "1G", "none", or bytes.
Result<std::uint64_t> parse_size(const std::string& text) {
    if (text == "none") return std::uint64_t{0};
    std::uint64_t number = 0, unit = 1;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    std::string_view rest(end, static_cast<std::size_t>(text.data() + text.size() - end));
    if (rest == "k" || rest == "K" || rest == "kB")
        unit = 1000;
    else if (rest == "M" || rest == "MB")
        unit = 1000 * 1000;
    else if (rest == "G" || rest == "GB")
        unit = 1000 * 1000 * 1000;
    else if (!rest.empty())
        error = std::errc::invalid_argument;
    if (error != std::errc() || number > (std::uint64_t{1} << 50) / unit)
        return fail(Fault::invalid, "'" + text + "' is not a size", "write 500k, 2M, 1G, all or none");
    return number * unit;
}

}  // namespace

void add_select_options(CLI::App& command, SelectOptions& options) {
    command.add_option(
        "--account", options.accounts,
        "only messages of this service (address, site or alias), or 'mail': imported mail; may be "
        "given several times");
    command.add_option("--since", options.since, "only messages from this day on, as 2024-12-31");
    command.add_option("--attachments", options.attachments,
                       "attachments up to this size, as 500k or 2M; all; none");
}

Result<> add_selection(Json& args, const SelectOptions& options) {
    if (!options.accounts.empty()) args["accounts"] = options.accounts;
    if (!options.since.empty()) args["since"] = options.since;
    if (options.attachments.empty() || options.attachments == "all") return {};
    KITH_TRY_VALUE(largest, parse_size(options.attachments));
    args["largest"] = largest;
    return {};
}

}  // namespace kith::cli
