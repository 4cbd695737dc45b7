#include "base/result.h"

namespace kith {

std::string_view fault_name(Fault kind) {
    switch (kind) {
        case Fault::invalid:
            return "invalid";
        case Fault::not_found:
            return "not_found";
        case Fault::refused:
            return "refused";
        case Fault::locked:
            return "locked";
        case Fault::unreachable:
            return "unreachable";
        case Fault::timed_out:
            return "timed_out";
        case Fault::disk_full:
            return "disk_full";
        case Fault::io:
            return "io";
        case Fault::corrupt:
            return "corrupt";
        case Fault::protocol:
            return "protocol";
        case Fault::cancelled:
            return "cancelled";
        case Fault::unavailable:
            return "unavailable";
        case Fault::forbidden:
            return "forbidden";
    }
    return "unknown";
}

}  // namespace kith
