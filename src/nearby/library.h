// A library of the system's that is loaded when it is wanted, with names of its own: its calls find its own
// functions before those of the same name in others. It stays loaded. Of use to this layer's sources alone.
#pragma once

#include <dlfcn.h>

namespace kith::nearby {

class Library {
  public:
    explicit Library(const char* name) {
        int flags = RTLD_NOW | RTLD_LOCAL;
#ifdef RTLD_DEEPBIND
        flags |= RTLD_DEEPBIND;
#endif
#ifdef LM_ID_BASE
        // What dlopen does; in the place of that AddressSanitizer has its own, which refuses the flag.
        handle_ = dlmopen(LM_ID_BASE, name, flags);
#else
        handle_ = dlopen(name, flags);
#endif
    }
    // False: it is not there.
    template <class Function>
    bool find(const char* name, Function& to) const {
        if (handle_ != nullptr) to = reinterpret_cast<Function>(dlsym(handle_, name));
        return handle_ != nullptr && to != nullptr;
    }

  private:
    void* handle_;
};

}  // namespace kith::nearby
