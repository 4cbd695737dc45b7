// A camera (V4L2), picture by picture.
#pragma once

#include <filesystem>
#include <memory>

#include "base/result.h"
#include "qr/reader.h"

namespace kith::qr {

// Whether the path is a device that could be a camera, rather than a file.
bool may_be_camera(const std::filesystem::path& path);

class Camera {
  public:
    // Begins to take pictures. Fault::unavailable when the device cannot be used.
    static Result<Camera> open(const std::filesystem::path& device);
    Camera(Camera&&) noexcept;
    Camera& operator=(Camera&&) noexcept;
    ~Camera();
    // Waits for the next picture. Fault::timed_out when none comes.
    Result<Picture> next();

  private:
    struct State;
    explicit Camera(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace kith::qr
