// What a person, or a program, sees when a service registers only who signs in.
#pragma once

#include "cli/context.h"
#include "control/message.h"

namespace kith::cli {

// Shows `sign_in` {"url","label"}; other events are passed over.
void show_sign_in(Context& context, const control::Event& event);

}  // namespace kith::cli
